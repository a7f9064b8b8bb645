"""Numbers that src/diffusion/adm_golden_test.cpp compares with: the ADM U-Net in plain PyTorch, float64.

Run `python3 tests/golden/adm_unet_golden.py`; the committed file came from torch 1.13.0 and numpy 1.24.2 (Debian 12).
Weights are an integer formula of their position rather than entries of the file, so that C++ and Python make the
same ones, bit for bit, and the file stays small.
"""
import json
import math
import pathlib
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent.parent / "tools"))
from edm_to_safetensors import write_safetensors  # noqa: E402


def uniform_numbers(first, count):
    """Numbers in [-1, 1): the 32-bit finaliser of MurmurHash3 on the running number."""
    h = (np.arange(first, first + count, dtype=np.uint64) + 1) & 0xFFFFFFFF
    h ^= h >> np.uint64(16)
    h = (h * np.uint64(0x85EBCA6B)) & 0xFFFFFFFF
    h ^= h >> np.uint64(13)
    h = (h * np.uint64(0xC2B2AE35)) & 0xFFFFFFFF
    h ^= h >> np.uint64(16)
    return h.astype(np.float64) / 2**31 - 1


def formula_weights(shapes):
    """Tensors in the order of their names. Matrices: u sqrt(3 / fan_in); vectors: u / 5, about 1 for weights."""
    weights, first = {}, 0
    for name in sorted(shapes):
        count = math.prod(shapes[name])
        values = uniform_numbers(first, count)
        first += count
        if len(shapes[name]) > 1:
            values = values * math.sqrt(3 / (count // shapes[name][0]))
        else:
            values = values / 5 + (1 if name.endswith(".weight") else 0)
        weights[name] = torch.from_numpy(values.astype(np.float32).astype(np.float64)).reshape(shapes[name])
    return weights


class ResidualBlock(nn.Module):
    def __init__(self, width_in, width_out, width_emb, scale_shift, resize=None):
        super().__init__()
        self.scale_shift, self.resize = scale_shift, resize
        self.in_layers = nn.Sequential(nn.GroupNorm(32, width_in), nn.SiLU(), nn.Conv2d(width_in, width_out, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(width_emb, width_out * (2 if scale_shift else 1)))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(32, width_out), nn.SiLU(), nn.Identity(), nn.Conv2d(width_out, width_out, 3, padding=1))
        self.skip_connection = nn.Identity() if width_in == width_out else nn.Conv2d(width_in, width_out, 1)

    def forward(self, x, emb):
        norm, silu, conv = self.in_layers
        h = silu(norm(x))
        if self.resize is not None:
            h, x = self.resize(h), self.resize(x)
        h = conv(h)
        e = self.emb_layers(emb)[:, :, None, None]
        if self.scale_shift:
            scale, shift = e.split(h.shape[1], dim=1)
            h = self.out_layers[0](h) * (1 + scale) + shift
            h = self.out_layers[1:](h)
        else:
            h = self.out_layers(h + e)
        return self.skip_connection(x) + h


class Attention(nn.Module):
    def __init__(self, width, heads, new_order):
        super().__init__()
        self.heads, self.new_order = heads, new_order
        self.norm = nn.GroupNorm(32, width)
        self.qkv = nn.Conv1d(width, 3 * width, 1)
        self.proj_out = nn.Conv1d(width, width, 1)

    def forward(self, x, _):
        batch, width, *image = x.shape
        tokens = x.reshape(batch, width, -1)
        qkv = self.qkv(self.norm(tokens))
        per_head = width // self.heads
        if self.new_order:  # (q | k | v, head, channel)
            q, k, v = qkv.reshape(batch, 3, self.heads, per_head, -1).unbind(1)
        else:  # (head, q | k | v, channel)
            q, k, v = qkv.reshape(batch, self.heads, 3, per_head, -1).unbind(2)
        weights = torch.einsum("bhcq,bhck->bhqk", q, k) / math.sqrt(per_head)
        mixed = torch.einsum("bhqk,bhck->bhcq", weights.softmax(-1), v)
        return x + self.proj_out(mixed.reshape(batch, width, -1)).reshape(batch, width, *image)


def halve(x):
    return functional.avg_pool2d(x, 2)


def double(x):
    return functional.interpolate(x, scale_factor=2, mode="nearest")


class StridedDown(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.op = nn.Conv2d(width, width, 3, stride=2, padding=1)

    def forward(self, x, _):
        return self.op(x)


class ConvUp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x, _):
        return self.conv(double(x))


class FirstConv(nn.Conv2d):
    def forward(self, x, _):
        return super().forward(x)


class Stage(nn.Sequential):
    def forward(self, x, emb):
        for layer in self:
            x = layer(x, emb)
        return x


MULTIPLIERS = {512: "0.5,1,1,2,2,4,4", 256: "1,1,2,2,4,4", 128: "1,1,2,3,4", 64: "1,2,3,4", 32: "1,2,2,2"}


class UNet(nn.Module):
    """Options are the release's flags."""

    def __init__(self, flags, image_channels=3, num_classes=0):
        super().__init__()
        width = flags["num_channels"]
        factors = [float(m) for m in (flags.get("channel_mult") or MULTIPLIERS[flags["image_size"]]).split(",")]
        attended = [int(r) for r in flags["attention_resolutions"].split(",")]
        scale_shift, in_blocks = flags["use_scale_shift_norm"], flags["resblock_updown"]
        self.width, emb = width, 4 * width

        def block(a, b, resize=None):
            return ResidualBlock(a, b, emb, scale_shift, resize)

        def attention(a):
            heads = a // flags["num_head_channels"] if flags.get("num_head_channels", -1) > 0 else flags["num_heads"]
            return Attention(a, heads, flags["use_new_attention_order"])

        self.time_embed = nn.Sequential(nn.Linear(width, emb), nn.SiLU(), nn.Linear(emb, emb))
        if num_classes:
            self.label_emb = nn.Embedding(num_classes, emb)
        now, size = int(width * factors[0]), flags["image_size"]
        self.input_blocks, skips = nn.ModuleList([Stage(FirstConv(image_channels, now, 3, padding=1))]), [now]
        for level, factor in enumerate(factors):
            if level > 0:
                self.input_blocks.append(Stage(block(now, now, halve) if in_blocks else StridedDown(now)))
                skips.append(now)
                size //= 2
            for _ in range(flags["num_res_blocks"]):
                layers = [block(now, int(width * factor))]
                now = int(width * factor)
                layers += [attention(now)] if size in attended else []
                self.input_blocks.append(Stage(*layers))
                skips.append(now)
        self.middle_block = Stage(block(now, now), attention(now), block(now, now))
        self.output_blocks = nn.ModuleList()
        for level, factor in reversed(list(enumerate(factors))):
            for i in range(flags["num_res_blocks"] + 1):
                layers = [block(now + skips.pop(), int(width * factor))]
                now = int(width * factor)
                layers += [attention(now)] if size in attended else []
                if level > 0 and i == flags["num_res_blocks"]:
                    layers.append(block(now, now, double) if in_blocks else ConvUp(now))
                    size *= 2
                self.output_blocks.append(Stage(*layers))
        out = image_channels * (2 if flags["learn_sigma"] else 1)
        self.out = nn.Sequential(nn.GroupNorm(32, now), nn.SiLU(), nn.Conv2d(now, out, 3, padding=1))

    def forward(self, x, step, one_hot=None):
        half = self.width // 2
        angles = step[:, None] * torch.exp(-math.log(10000) * torch.arange(half, dtype=x.dtype) / half)[None]
        emb = self.time_embed(torch.cat([angles.cos(), angles.sin()], 1))
        if one_hot is not None:
            emb = emb + one_hot @ self.label_emb.weight
        skips = []
        for stage in self.input_blocks:
            x = stage(x, emb)
            skips.append(x)
        x = self.middle_block(x, emb)
        for stage in self.output_blocks:
            x = stage(torch.cat([x, skips.pop()], 1), emb)
        return self.out(x)


def noise_levels(schedule, num_steps):
    if schedule == "linear":
        betas = np.linspace(0.1 / num_steps, 20 / num_steps, num_steps)
    else:
        f = np.cos((np.arange(num_steps + 1) / num_steps + 0.008) / 1.008 * np.pi / 2) ** 2
        betas = np.minimum(1 - f[1:] / f[:-1], 0.999)
    alpha_bar = np.cumprod(1 - betas)
    return np.sqrt((1 - alpha_bar) / alpha_bar)


COMMON = {"image_size": 16, "num_channels": 32, "num_res_blocks": 1, "channel_mult": "1,1,2", "attention_resolutions": "8",
          "diffusion_steps": 1000}
VARIANTS = {
    "legacy_blocks": {"use_new_attention_order": False, "resblock_updown": True, "use_scale_shift_norm": True,
                      "learn_sigma": True, "num_head_channels": 16, "class_cond": True, "noise_schedule": "linear"},
    "legacy_convs": {"use_new_attention_order": False, "resblock_updown": False, "use_scale_shift_norm": True,
                     "learn_sigma": False, "num_heads": 4, "class_cond": False, "noise_schedule": "linear"},
    "new_blocks": {"use_new_attention_order": True, "resblock_updown": True, "use_scale_shift_norm": True,
                   "learn_sigma": True, "num_head_channels": 16, "class_cond": False, "noise_schedule": "cosine"},
    "new_convs": {"use_new_attention_order": True, "resblock_updown": False, "use_scale_shift_norm": False,
                  "learn_sigma": True, "num_heads": 4, "class_cond": True, "noise_schedule": "cosine"},
}
NUM_CLASSES = 5
STEPS = [100, 417, 850]
# A little off the known levels, as the steps of a second-order solver are.
OFFSETS = [1.0, 1.0004, 0.9997]


def golden():
    tensors, metadata = {}, {}
    shape, names = (len(STEPS), 3, 16, 16), []
    noise = torch.from_numpy(uniform_numbers(10**6, math.prod(shape))).reshape(shape) * 2
    one_hot = torch.nn.functional.one_hot(torch.tensor([4, 0, 2]), NUM_CLASSES).double()
    for variant, special in VARIANTS.items():
        flags = {**COMMON, **special}
        net = UNet(flags, num_classes=NUM_CLASSES if flags["class_cond"] else 0).double()
        shapes = {name: list(value.shape) for name, value in net.state_dict().items()}
        net.load_state_dict(formula_weights(shapes))
        known = noise_levels(flags["noise_schedule"], flags["diffusion_steps"])
        # Rounded first, so that both sides see the same float32 numbers.
        sigma = torch.tensor(known[STEPS] * OFFSETS).float().double()
        x = (noise * (1 + sigma**2).sqrt()[:, None, None, None]).float().double().requires_grad_(True)
        s = sigma[:, None, None, None]
        output = net(x / (1 + s**2).sqrt(), torch.tensor(STEPS).double(), one_hot if flags["class_cond"] else None)
        predicted = output[:, :3]
        denoised = x - s * predicted
        (denoised**2).sum().backward()
        entries = {"x": x, "sigma": sigma, "noise": predicted, "denoised": denoised, "grad_x": x.grad}
        if flags["learn_sigma"]:
            entries["variance_share"] = (output[:, 3:] + 1) / 2
        if flags["class_cond"]:
            entries["labels"] = one_hot
        tensors.update({f"{variant}.{name}": value for name, value in entries.items()})
        metadata[f"{variant}.flags"] = json.dumps(flags)
        metadata[f"{variant}.shapes"] = json.dumps(shapes)
        names.append(variant)
    metadata["variants"] = json.dumps(names)
    write_safetensors(FOLDER / "adm_unet.safetensors", tensors, metadata)


if __name__ == "__main__":
    golden()
