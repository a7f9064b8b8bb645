"""The peer's networks in plain eager PyTorch: the DDPM++ U-Net and the discriminator of noisy images, and their weights from a file.

Needs Debian's python3-torch alone. Ordinary operators, one after another, as a researcher would write them; resampling is a 2x2
mean and a nearest-neighbour doubling, which is faster than the convolutions of the EDM release.
"""
import json
import math
import pathlib
import struct

import torch
import torch.nn.functional as F
from torch import nn

SIGMA_DATA = 0.5
BETA_MIN, BETA_MAX = 0.1, 20


class Norm(nn.GroupNorm):
    """In float32, also under autocast, as the EDM release has it."""

    def forward(self, x):
        return super().forward(x.float())


class Block(nn.Module):
    """Residual block: the embedding shifts, the sum is scaled by sqrt(1/2), attention follows where asked for."""

    def __init__(self, channels_in, channels, emb, dropout, resample="", attention=False):
        super().__init__()
        self.resample, self.dropout = resample, dropout
        self.norm0 = Norm(min(32, channels_in // 4), channels_in, eps=1e-6)
        self.conv0 = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.affine = nn.Linear(emb, channels)
        self.norm1 = Norm(min(32, channels // 4), channels, eps=1e-6)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.skip = nn.Conv2d(channels_in, channels, 1) if channels_in != channels or resample else None
        if attention:
            self.norm2 = Norm(min(32, channels // 4), channels, eps=1e-6)
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
        self.dec[f"{size}x{size}_aux_norm"] = Norm(min(32, channels // 4), channels, eps=1e-6)
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


class TimedBlock(nn.Module):
    def __init__(self, channels_in, channels, emb):
        super().__init__()
        self.norm0 = Norm(min(32, channels_in // 4), channels_in)
        self.conv0 = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.affine = nn.Linear(emb, 2 * channels)
        self.norm1 = Norm(min(32, channels // 4), channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.skip = nn.Conv2d(channels_in, channels, 1) if channels_in != channels else None

    def forward(self, x, emb):
        scale, shift = self.affine(emb)[:, :, None, None].chunk(2, 1)
        hidden = self.conv0(F.avg_pool2d(F.silu(self.norm0(x)), 2))
        hidden = self.conv1(F.silu(self.norm1(hidden) * (1 + scale) + shift))
        shortcut = F.avg_pool2d(x, 2)
        return (self.skip(shortcut) if self.skip else shortcut) + hidden


class Discriminator(nn.Module):
    """Log-odds of a noised image, shown as the variance-preserving process has it."""

    def __init__(self, channels_image, channels=(32, 64, 128), emb=128):
        super().__init__()
        self.emb = emb
        self.map_time0, self.map_time1 = nn.Linear(emb, emb), nn.Linear(emb, emb)
        self.first = nn.Conv2d(channels_image, channels[0], 3, padding=1)
        widths = (channels[0], *channels)
        for stage, width in enumerate(channels):
            setattr(self, f"stage{stage}_block0", TimedBlock(widths[stage], width, emb))
        self.stages = len(channels)
        self.norm = Norm(min(32, channels[-1] // 4), channels[-1])
        self.out = nn.Linear(channels[-1], 1)

    def forward(self, x, sigma):
        exponent = torch.log1p(sigma**2)
        tau = 2 * exponent / (BETA_MIN + (BETA_MIN**2 + 2 * (BETA_MAX - BETA_MIN) * exponent).sqrt())
        frequencies = (1 / 10000) ** (torch.arange(self.emb // 2) / (self.emb // 2))
        angles = (999 * tau.float())[:, None] * frequencies
        emb = torch.cat([angles.cos(), angles.sin()], 1)
        emb = F.silu(self.map_time1(F.silu(self.map_time0(emb))))
        hidden = self.first((x / (1 + sigma**2).sqrt()[:, None, None, None]).float())
        for stage in range(self.stages):
            hidden = getattr(self, f"stage{stage}_block0")(hidden, emb)
        return self.out(F.silu(self.norm(hidden)).mean((2, 3)))[:, 0].double()


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
