#!/usr/bin/env python3
"""Turn a network of the EDM release into a safetensors file that `equipoise import` reads.

    edm_to_safetensors.py network-snapshot-200000.pkl weights.safetensors --edm-repo ~/edm
    edm_to_safetensors.py state_dict.pt weights.safetensors --precond EDMPrecond

A pickle holds code: it is unpickled with the release's own modules, which `--edm-repo` must name. Unpickle only files
whose source you trust. A .pt file is read as a plain state dict (weights only); what its tensors do not tell
(the preconditioning, dropout) is given by --precond, --interface and --model.

Needs torch and numpy, and nothing of Equipoise.
"""

import argparse
import json
import pathlib
import pickle
import struct
import sys

import numpy as np
import torch

PRECONDITIONINGS = ["EDMPrecond", "VPPrecond", "VEPrecond", "iDDPMPrecond"]
INTERFACE_NAMES = ["img_resolution", "img_channels", "label_dim", "sigma_data"]
NOT_OF_THE_MODEL = ["img_resolution", "in_channels", "out_channels", "label_dim"]


def write_safetensors(path, tensors, metadata):
    """8 bytes of header length, a JSON header padded with spaces, then the tensors' bytes."""
    header, blocks, offset = {"__metadata__": metadata}, [], 0
    for name in sorted(tensors):
        block = np.ascontiguousarray(tensors[name].detach().cpu().to(torch.float32).numpy()).tobytes()
        shape = list(tensors[name].shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + len(block)]}
        blocks.append(block)
        offset += len(block)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        file.writelines(blocks)


def options_of(network, model):
    """The constructor arguments that the release's persistent classes remember."""
    interface = {name: getattr(network, name) for name in INTERFACE_NAMES if hasattr(network, name)}
    model_options = {k: v for k, v in dict(model.init_kwargs).items() if k not in NOT_OF_THE_MODEL}
    return interface, {"model_type": type(model).__name__, **model_options}


def read_pickle(path, edm_repo):
    if edm_repo is None:
        sys.exit("a pickle needs --edm-repo: the folder with the release's torch_utils and dnnlib")
    sys.path.insert(0, str(edm_repo))
    with open(path, "rb") as file:
        network = pickle.load(file)["ema"].eval()
    interface, model = options_of(network, network.model)
    metadata = {"precond": type(network).__name__, "interface": json.dumps(interface), "model": json.dumps(model)}
    return network.state_dict(), metadata


def read_state_dict(path, args):
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    for wrapper in ("ema", "net", "state_dict"):
        if wrapper in tensors and isinstance(tensors[wrapper], dict):
            tensors = tensors[wrapper]
    if args.precond is None:
        sys.exit("a state dict needs --precond: one of " + ", ".join(PRECONDITIONINGS))
    metadata = {"precond": args.precond}
    for name in ("interface", "model"):
        text = getattr(args, name)
        if text is not None:
            json.loads(text)
            metadata[name] = text
    return tensors, metadata


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path, help=".pkl of the release, or .pt state dict")
    parser.add_argument("out", type=pathlib.Path, help="safetensors file to write")
    parser.add_argument("--edm-repo", type=pathlib.Path, help="checkout of the EDM release (for pickles)")
    parser.add_argument("--precond", choices=PRECONDITIONINGS, help="for state dicts")
    parser.add_argument("--interface", help="JSON: img_resolution, img_channels, label_dim, sigma_data (for state dicts)")
    parser.add_argument("--model", help="JSON: model_type and its options (for state dicts)")
    args = parser.parse_args()
    is_pickle = args.source.suffix == ".pkl"
    tensors, metadata = read_pickle(args.source, args.edm_repo) if is_pickle else read_state_dict(args.source, args)
    write_safetensors(args.out, tensors, metadata)
    print(f"{args.out}: {len(tensors)} tensors")


if __name__ == "__main__":
    main()
