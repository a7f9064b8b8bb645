#!/usr/bin/env python3
"""The peer of the timed programs: the same DDPM++ U-Net in plain eager PyTorch.

    peer_pytorch.py check MODEL.safetensors        denoise the inputs in MODEL, print the difference
    peer_pytorch.py time WORKLOAD TASK BATCH       one JSON line: {"name", "images_per_sec"}
        TASK = train | forward;  --threads N  --bf16  --seconds S

Needs Debian's python3-torch alone. Ordinary operators, one after another, as a researcher would write them; resampling is a 2x2
mean and a nearest-neighbour doubling, which is faster than the convolutions of the EDM release.
"""
import argparse
import json
import math
import pathlib
import struct
import time

import torch
import torch.nn.functional as F
from torch import nn

SIGMA_DATA = 0.5


class Block(nn.Module):
    """Residual block: the embedding shifts, the sum is scaled by sqrt(1/2), attention follows where asked for."""

    def __init__(self, channels_in, channels, emb, dropout, resample="", attention=False):
        super().__init__()
        self.resample, self.dropout = resample, dropout
        self.norm0 = nn.GroupNorm(min(32, channels_in // 4), channels_in, eps=1e-6)
        self.conv0 = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.affine = nn.Linear(emb, channels)
        self.norm1 = nn.GroupNorm(min(32, channels // 4), channels, eps=1e-6)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.skip = nn.Conv2d(channels_in, channels, 1) if channels_in != channels or resample else None
        if attention:
            self.norm2 = nn.GroupNorm(min(32, channels // 4), channels, eps=1e-6)
            self.qkv = nn.Conv2d(channels, 3 * channels, 1)
            self.proj = nn.Conv2d(channels, channels, 1)
        self.attention = attention

    def resampled(self, x):
        if self.resample == "down":
            return F.avg_pool2d(x, 2)
        return F.interpolate(x, scale_factor=2, mode="nearest") if self.resample == "up" else x

    def forward(self, x, emb):
        hidden = self.conv0(self.resampled(F.silu(self.norm0(x))))
        hidden = F.silu(self.norm1(hidden + self.affine(emb)[:, :, None, None]))
        hidden = self.conv1(F.dropout(hidden, self.dropout, self.training))
        shortcut = self.resampled(x)
        x = (hidden + (self.skip(shortcut) if self.skip else shortcut)) * math.sqrt(0.5)
        if self.attention:
            batch, channels, height, width = x.shape
            q, k, v = self.qkv(self.norm2(x)).reshape(batch, channels, 3, height * width).unbind(2)
            weights = torch.bmm(q.transpose(1, 2), k / math.sqrt(channels)).softmax(2)
            mixed = torch.bmm(v, weights.transpose(1, 2)).reshape(x.shape)
            x = (x + self.proj(mixed)) * math.sqrt(0.5)
        return x


class Unet(nn.Module):
    """DDPM++ with the state dict's names of the EDM release."""

    def __init__(self, shape, options):
        super().__init__()
        base, blocks = options["model_channels"], options["num_blocks"]
        size, channels_image = shape["resolution"], shape["channels"]
        emb, self.base = 4 * base, base
        self.map_layer0, self.map_layer1 = nn.Linear(base, emb), nn.Linear(emb, emb)
        if options.get("augment_dim"):
            self.map_augment = nn.Linear(options["augment_dim"], base, bias=False)

        def block(channels_in, channels, **kind):
            return Block(channels_in, channels, emb, options["dropout"], **kind)

        self.enc, self.dec = nn.ModuleDict(), nn.ModuleDict()
        channels, skips = base, []
        levels = [(size >> level, base * mult) for level, mult in enumerate(options["channel_mult"])]
        for level, (side, width) in enumerate(levels):
            if level == 0:
                self.enc[f"{side}x{side}_conv"] = nn.Conv2d(channels_image, base, 3, padding=1)
            else:
                self.enc[f"{side}x{side}_down"] = block(channels, channels, resample="down")
            skips.append(channels)
            for i in range(blocks):
                self.enc[f"{side}x{side}_block{i}"] = block(channels, width, attention=side in options["attn_resolutions"])
                channels = width
                skips.append(channels)
        for level, (side, width) in reversed(list(enumerate(levels))):
            if level == len(levels) - 1:
                self.dec[f"{side}x{side}_in0"] = block(channels, channels, attention=True)
                self.dec[f"{side}x{side}_in1"] = block(channels, channels)
            else:
                self.dec[f"{side}x{side}_up"] = block(channels, channels, resample="up")
            for i in range(blocks + 1):
                attention = i == blocks and side in options["attn_resolutions"]
                self.dec[f"{side}x{side}_block{i}"] = block(channels + skips.pop(), width, attention=attention)
                channels = width
        self.dec[f"{size}x{size}_aux_norm"] = nn.GroupNorm(min(32, channels // 4), channels, eps=1e-6)
        self.dec[f"{size}x{size}_aux_conv"] = nn.Conv2d(channels, channels_image, 3, padding=1)

    def forward(self, x, noise):
        half = self.base // 2
        frequencies = (1 / 10000) ** (torch.arange(half, dtype=torch.float32) / (half - 1))
        angles = noise[:, None] * frequencies
        emb = torch.cat([angles.sin(), angles.cos()], 1)
        emb = F.silu(self.map_layer1(F.silu(self.map_layer0(emb))))
        skips = []
        for layer in self.enc.values():
            x = layer(x, emb) if isinstance(layer, Block) else layer(x)
            skips.append(x)
        for name, layer in self.dec.items():
            if name.endswith("_aux_norm"):
                x = F.silu(layer(x))
            elif name.endswith("_aux_conv"):
                x = layer(x)
            else:
                x = layer(torch.cat([x, skips.pop()], 1) if "_block" in name else x, emb)
        return x


def denoise(net, x, sigma):
    """EDM's preconditioning."""
    total = sigma**2 + SIGMA_DATA**2

    def wide(v):
        return v[:, None, None, None]

    out = net(wide(total**-0.5) * x, sigma.log() / 4).float()
    return wide(SIGMA_DATA**2 / total) * x + wide(sigma * SIGMA_DATA * total**-0.5) * out


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + at for at in entry["data_offsets"])
        kind = {"F16": torch.float16, "F32": torch.float32}[entry["dtype"]]
        tensors[name] = torch.frombuffer(bytearray(data[begin:end]), dtype=kind).reshape(entry["shape"]).float()
    return tensors


def make(workload):
    described = json.loads((pathlib.Path(__file__).parent / "workloads.json").read_text())[workload]
    return Unet(described["shape"], described["network"]), described["shape"]


def check(args):
    tensors = read_safetensors(args.model)
    x, sigma, expected = (tensors.pop(f"check.{name}") for name in ("x", "sigma", "denoised"))
    net, _ = make(args.workload)
    weights = {name.removeprefix("model."): value for name, value in tensors.items() if not name.endswith("resample_filter")}
    net.load_state_dict(weights)
    net.eval()
    with torch.no_grad():
        got = denoise(net, x, sigma)
    error = ((got - expected).abs().max() / expected.abs().max()).item()
    print(json.dumps({"name": f"check/{args.workload}", "relative_difference": error}))
    if not error < 1e-4:
        raise SystemExit("the two programs do not compute the same numbers")


def measure(args):
    torch.manual_seed(0)
    if args.threads:
        torch.set_num_threads(args.threads)
    net, shape = make(args.workload)
    side, channels = shape["resolution"], shape["channels"]
    images = torch.rand(args.batch, channels, side, side) * 2 - 1
    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bf16)
    if args.bf16:
        net = net.to(memory_format=torch.channels_last)

    def forward():
        with torch.no_grad(), autocast:
            denoise(net, images, sigma)

    def train():
        sigma = (torch.randn(args.batch) * 1.2 - 1.2).exp()
        weight = (sigma**2 + SIGMA_DATA**2) / (sigma * SIGMA_DATA) ** 2
        noisy = images + sigma[:, None, None, None] * torch.randn_like(images)
        with autocast:
            loss = (weight[:, None, None, None] * (denoise(net, noisy, sigma) - images) ** 2).sum() / args.batch
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for parameter in used:
            torch.nan_to_num(parameter.grad, nan=0, posinf=1e5, neginf=-1e5, out=parameter.grad)
        optimizer.step()
        with torch.no_grad():
            for kept, parameter in zip(average, used):
                kept.lerp_(parameter, 0.001)

    if args.task == "train":
        # Nothing is augmented here.
        used = [parameter for name, parameter in net.named_parameters() if name != "map_augment.weight"]
        optimizer = torch.optim.Adam(used, lr=1e-3)
        average = [parameter.detach().clone() for parameter in used]
        step = train
    else:
        sigma = torch.full((args.batch,), 1.5)
        net.eval()
        step = forward
    step()
    steps, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < args.seconds:
        step()
        steps += 1
    rate = steps * args.batch / (time.perf_counter() - begin)
    print(json.dumps({"name": f"{args.task}/{args.workload}/{args.batch}", "images_per_sec": rate}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    checking = commands.add_parser("check")
    checking.add_argument("workload", choices=["S", "C"])
    checking.add_argument("model")
    checking.set_defaults(run=check)
    timing = commands.add_parser("time")
    timing.add_argument("workload", choices=["S", "C"])
    timing.add_argument("task", choices=["train", "forward"])
    timing.add_argument("batch", type=int)
    timing.add_argument("--threads", type=int, default=0, help="0 = as installed")
    timing.add_argument("--bf16", action="store_true")
    timing.add_argument("--seconds", type=float, default=5)
    timing.set_defaults(run=measure)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
