#!/usr/bin/env python3
"""The peer of bench_training and bench_sampling: training steps and denoiser calls in plain eager PyTorch.

    peer_pytorch.py check MODEL.safetensors        denoise the inputs in MODEL, print the difference
    peer_pytorch.py time WORKLOAD TASK BATCH       one JSON line: {"name", "images_per_sec"}
        TASK = train | train_tiw | forward;  --threads N  --bf16  --seconds S  --device cuda  --tuned
"""
import argparse
import json
import time

import torch

from peer_networks import SIGMA_DATA, Discriminator, denoise, make, read_safetensors


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
    if args.tuned:
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = True
    if args.device != "cpu":
        torch.set_default_device(args.device)
    net, shape = make(args.workload)
    net = net.to(args.device)
    side, channels = shape["resolution"], shape["channels"]
    images = torch.rand(args.batch, channels, side, side) * 2 - 1
    autocast = torch.autocast(args.device, dtype=torch.bfloat16, enabled=args.bf16)
    if args.bf16:
        net = net.to(memory_format=torch.channels_last)
    wait = torch.cuda.synchronize if args.device == "cuda" else lambda: None

    def forward():
        with torch.no_grad(), autocast:
            denoise(net, images, sigma)

    def weighted(noisy, sigma):
        """Weight and target of TIW-DSM: w = 2 sigmoid(l), x0 + sigma^2 grad log w."""
        x = noisy.detach().requires_grad_()
        with autocast:
            log_ratio = discriminator(x, sigma).float()
        (gradient,) = torch.autograd.grad(log_ratio.sum(), x)
        share = log_ratio.detach().sigmoid()
        return 2 * share, images + (sigma**2 * (1 - share))[:, None, None, None] * gradient

    def train():
        sigma = (torch.randn(args.batch) * 1.2 - 1.2).exp()
        weight = (sigma**2 + SIGMA_DATA**2) / (sigma * SIGMA_DATA) ** 2
        noisy = images + sigma[:, None, None, None] * torch.randn_like(images)
        target = images
        if args.task == "train_tiw":
            ratio, target = weighted(noisy, sigma)
            weight = weight * ratio
        with autocast:
            loss = (weight[:, None, None, None] * (denoise(net, noisy, sigma) - target) ** 2).sum() / args.batch
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for parameter in used:
            torch.nan_to_num(parameter.grad, nan=0, posinf=1e5, neginf=-1e5, out=parameter.grad)
        optimizer.step()
        with torch.no_grad():
            for kept, parameter in zip(average, used):
                kept.lerp_(parameter, 0.001)

    discriminator = Discriminator(channels).requires_grad_(False)
    if args.task.startswith("train"):
        # Nothing is augmented here.
        used = [parameter for name, parameter in net.named_parameters() if name != "map_augment.weight"]
        optimizer = torch.optim.Adam(used, lr=1e-3)
        average = [parameter.detach().clone() for parameter in used]
        step = train
    else:
        sigma = torch.full((args.batch,), 1.5)
        net.eval()
        step = forward
    for _ in range(10 if args.device == "cuda" else 1):
        step()
    wait()
    steps, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < args.seconds:
        step()
        steps += 1
        if steps % 10 == 0:
            wait()
    wait()
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
    timing.add_argument("task", choices=["train", "train_tiw", "forward"])
    timing.add_argument("batch", type=int)
    timing.add_argument("--threads", type=int, default=0, help="0 = as installed")
    timing.add_argument("--bf16", action="store_true")
    timing.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    timing.add_argument("--tuned", action="store_true", help="on a CUDA device: cuDNN's benchmark mode, TF32 everywhere")
    timing.add_argument("--seconds", type=float, default=5)
    timing.set_defaults(run=measure)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
