#!/usr/bin/env python3
"""Turn a state dict of guided-diffusion into a safetensors file that `equipoise import adm` reads.

    adm_to_safetensors.py 64x64_diffusion.pt weights.safetensors

The file is read as a plain state dict (weights only: no code of it runs). The flags the network was trained with go
into a JSON file for --config of the import. Needs torch and numpy, and nothing of Equipoise.
"""

import argparse
import pathlib
import sys

import torch

from edm_to_safetensors import write_safetensors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path, help=".pt state dict")
    parser.add_argument("out", type=pathlib.Path, help="safetensors file to write")
    args = parser.parse_args()
    tensors = torch.load(args.source, map_location="cpu", weights_only=True)
    if not isinstance(tensors, dict) or not all(torch.is_tensor(value) for value in tensors.values()):
        sys.exit(f"{args.source}: not a state dict of tensors")
    write_safetensors(args.out, tensors, {})
    print(f"{args.out}: {len(tensors)} tensors")


if __name__ == "__main__":
    main()
