#!/usr/bin/env python3
"""The peer of bench_methods: the same solver, guidance and rejection in plain eager PyTorch, on workload S.

    peer_sampling.py check MODEL.safetensors       sample the latents in MODEL, print the difference
    peer_sampling.py time METHOD                   one JSON line: {"name", "images_per_sec", "calls"}
        METHOD = plain | discriminator | rejection;  --threads N  --images 64

18 Heun steps, one batch of all images, state in float64. Rejection is written as published: the whole batch takes a step, rejected
images are sent back, finished ones leave the batch, which shrinks.
"""
import argparse
import json
import math
import time

import torch

from peer_networks import Discriminator, denoise, make, read_safetensors

STEPS, SIGMA_MIN, SIGMA_MAX, RHO = 18, 0.002, 80, 7
MAX_CALLS = 3 * (2 * STEPS - 1)


def noise_levels():
    step = torch.arange(STEPS, dtype=torch.float64) / (STEPS - 1)
    levels = (SIGMA_MAX ** (1 / RHO) + step * (SIGMA_MIN ** (1 / RHO) - SIGMA_MAX ** (1 / RHO))) ** RHO
    return torch.cat([levels, torch.zeros(1, dtype=torch.float64)])


class Sampler:
    def __init__(self, net, discriminator, is_guided):
        self.net, self.discriminator, self.is_guided = net, discriminator, is_guided
        self.calls = 0

    def slope(self, x, sigma):
        with torch.no_grad():
            denoised = denoise(self.net, x.float(), sigma.float()).double()
        self.calls += len(x)
        if self.is_guided:
            with torch.enable_grad():
                image = x.clone().requires_grad_()
                (gradient,) = torch.autograd.grad(self.discriminator(image, sigma).sum(), image)
            is_inside = (sigma >= 0.0447).double()
            denoised = denoised + (is_inside * sigma**2)[:, None, None, None] * gradient
        return (x - denoised) / sigma[:, None, None, None]

    def step(self, x, here, there):
        stride = (there - here)[:, None, None, None]
        slope = self.slope(x, here)
        arrival = x + stride * slope
        rows = there.nonzero()[:, 0]
        if len(rows):
            second = self.slope(arrival[rows], there[rows])
            arrival[rows] = x[rows] + stride[rows] * (slope[rows] + second) / 2
        return arrival

    def sample(self, latents):
        levels = noise_levels()
        x = latents.double() * levels[0]
        for here, there in zip(levels[:-1], levels[1:]):
            x = self.step(x, here.expand(len(x)), there.expand(len(x)))
        return x

    def log_odds(self, x, sigma):
        with torch.no_grad():
            return self.discriminator(x, sigma.clamp(min=SIGMA_MIN))

    def tables(self, latents, percentile=0.75):
        """Quantiles of the log-ratio by level, and of its rise over a step, without rejection."""
        levels = noise_levels()
        x = latents.double() * levels[0]
        ratios = [self.log_odds(x, levels[0].expand(len(x)))]
        for here, there in zip(levels[:-1], levels[1:]):
            x = self.step(x, here.expand(len(x)), there.expand(len(x)))
            ratios.append(self.log_odds(x, there.expand(len(x))))
        rises = [b - a for a, b in zip(ratios, ratios[1:])]
        return ([ratio.quantile(percentile).clamp(min=0) for ratio in ratios],
                [torch.zeros(())] + [rise.quantile(percentile).clamp(min=0) for rise in rises])

    def sample_with_rejection(self, latents, tables):
        levels = noise_levels()
        marginal, transition = (torch.stack([value.double() for value in table]) for table in tables)
        count = len(latents)
        x = latents.double() * levels[0]
        level = torch.zeros(count, dtype=torch.long)
        used = torch.zeros(count, dtype=torch.long)
        ratio = torch.full((count,), math.nan, dtype=torch.float64)
        finished = []

        def log_uniform(size):
            return torch.rand(size, dtype=torch.float64).log()

        while len(x):
            fresh = ratio.isnan().nonzero()[:, 0]
            while len(fresh):
                x[fresh] = torch.randn_like(x[fresh]) * levels[0]
                ratio[fresh] = self.log_odds(x[fresh], levels[0].expand(len(fresh)))
                rejected = ratio[fresh] - marginal[0] < log_uniform(len(fresh))
                fresh = fresh[rejected]
            before = ratio
            used = used + torch.where(level + 1 < STEPS, 2, 1)
            arrival = self.step(x, levels[level], levels[level + 1])
            ratio = self.log_odds(arrival, levels[level + 1])
            back = (ratio - before - transition[level + 1] < log_uniform(len(x))).nonzero()[:, 0]
            x, level = arrival, level + 1
            while len(back):
                higher = levels[level[back] - 1]
                noise = (higher**2 - levels[level[back]] ** 2).sqrt()[:, None, None, None]
                x[back] = x[back] + noise * torch.randn_like(x[back])
                level[back] = level[back] - 1
                ratio[back] = self.log_odds(x[back], higher)
                again = (ratio[back] - marginal[level[back]] < log_uniform(len(back))) & (level[back] > 0)
                back = back[again]
            over = (used > MAX_CALLS).nonzero()[:, 0]
            level[over], used[over], ratio[over] = 0, 0, math.nan
            done = level == STEPS
            finished.append(x[done])
            x, level, used, ratio = x[~done], level[~done], used[~done], ratio[~done]
        return torch.cat(finished)


def make_networks():
    torch.manual_seed(0)
    net, shape = make("S")
    discriminator = Discriminator(shape["channels"])
    net.eval(), discriminator.eval()
    for network in (net, discriminator):
        for parameter in network.parameters():
            parameter.requires_grad_(False)
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    return net, discriminator, shape


def check(args):
    tensors = read_safetensors(args.model)
    latents = tensors.pop("check.latents")
    expected = {name: tensors.pop(f"check.{name}") for name in ("plain", "discriminator")}
    net, discriminator, _ = make_networks()
    net.load_state_dict({name.removeprefix("model."): value for name, value in tensors.items()
                         if not name.startswith("discriminator.") and not name.endswith("resample_filter")})
    discriminator.load_state_dict({name.removeprefix("discriminator."): value for name, value in tensors.items()
                                   if name.startswith("discriminator.")})
    for name, images in expected.items():
        got = Sampler(net, discriminator, is_guided=name == "discriminator").sample(latents)
        error = ((got - images).abs().max() / images.abs().max()).item()
        print(json.dumps({"name": f"check/{name}", "relative_difference": error}))
        if not error < 1e-3:
            raise SystemExit("the two programs do not make the same images")


def measure(args):
    if args.threads:
        torch.set_num_threads(args.threads)
    net, discriminator, shape = make_networks()
    latents = torch.randn(args.images, shape["channels"], shape["resolution"], shape["resolution"])
    sampler = Sampler(net, discriminator, is_guided=args.method == "discriminator")
    tables = sampler.tables(latents) if args.method == "rejection" else None
    sampler.calls, begin = 0, time.perf_counter()
    if tables:
        sampler.sample_with_rejection(latents, tables)
    else:
        sampler.sample(latents)
    seconds = time.perf_counter() - begin
    print(json.dumps({"name": f"sample/{args.method}/{args.images}", "images_per_sec": args.images / seconds,
                      "calls": sampler.calls / args.images}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    checking = commands.add_parser("check")
    checking.add_argument("model")
    checking.set_defaults(run=check)
    timing = commands.add_parser("time")
    timing.add_argument("method", choices=["plain", "discriminator", "rejection"])
    timing.add_argument("--threads", type=int, default=0, help="0 = as installed")
    timing.add_argument("--images", type=int, default=64)
    timing.set_defaults(run=measure)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
