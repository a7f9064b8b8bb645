"""Outputs that the tests of src/nets/extractors compare with, computed apart by torch, torchvision and PIL.

Run `python3 tests/golden/extractors_golden.py`; it writes extractors.safetensors beside itself. The committed file came from
torch 1.13.1, torchvision 0.14.1, Pillow 9.4.0 and numpy 1.24.2 (Debian 12), float32 on a processor.

The weights are a formula rather than a file, so that C++ and Python make the same ones: networks of full size, and nothing to
download or commit. Where torchvision has the network (Inception, the backbones of LPIPS) its own code computes the outputs, and its
state dict gives the names and shapes; the others are written out below.
"""
import json
import math
import pathlib
import struct

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F
import torchvision

HALVED, WHOLE = 2, 1


def uniform(count, rank):
    """`count` numbers in [-1, 1) for the tensor that is the `rank`-th by name: a 32-bit integer hash."""
    mask = np.uint64(0xFFFFFFFF)
    x = (np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B1) + np.uint64(rank) * np.uint64(0x85EBCA6B)) & mask
    x ^= x >> np.uint64(15)
    x = (x * np.uint64(0x2C1B3C6D)) & mask
    x ^= x >> np.uint64(12)
    x = (x * np.uint64(0x297A2D39)) & mask
    x ^= x >> np.uint64(15)
    return x.astype(np.float64) / 2**31 - 1


def formula_weights(shapes):
    """{name: tensor}. Sizes are such that activations keep their scale and every term of a norm matters."""
    weights = {}
    for rank, name in enumerate(sorted(shapes)):
        shape = shapes[name]
        count = math.prod(shape)
        u = uniform(count, rank)
        if name.endswith("num_batches_tracked"):
            u = np.zeros(count)
        elif name.endswith("running_var"):
            u = 1 + 0.5 * u
        elif name.endswith(("bn.weight", "scale.weights")):
            u = 1 + 0.2 * u
        elif ".lin" in name:
            u = np.abs(u)
        elif len(shape) > 1:
            u = u * math.sqrt(6 / (count // shape[0]))
        else:
            u = 0.1 * u
        weights[name] = torch.from_numpy(u.astype(np.float32)).reshape(shape)
    return weights


# Resizing ----------------------------------------------------------------------------------------------------------------------

def tf_bilinear(x, height, width):
    """TensorFlow 1, pixel by pixel: no half-pixel centres, corners not aligned."""
    x = x.double()
    rows, columns = x.shape[2:]
    out = torch.zeros(*x.shape[:2], height, width, dtype=torch.float64)
    for i in range(height):
        for j in range(width):
            y, z = i * rows / height, j * columns / width
            top, left = int(y), int(z)
            bottom, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            dy, dz = y - top, z - left
            upper = x[:, :, top, left] * (1 - dz) + x[:, :, top, right] * dz
            lower = x[:, :, bottom, left] * (1 - dz) + x[:, :, bottom, right] * dz
            out[:, :, i, j] = upper * (1 - dy) + lower * dy
    return out.float()


def by_pil(x, height, width, resample):
    planes = [
        np.asarray(PIL.Image.fromarray(plane, mode="F").resize((width, height), resample=resample))
        for plane in x.reshape(-1, *x.shape[2:]).numpy()
    ]
    return torch.from_numpy(np.stack(planes)).reshape(*x.shape[:2], height, width)


def by_torch(mode):
    return lambda x, h, w: F.interpolate(x, (h, w), mode=mode, align_corners=False)


RESIZES = {
    "tf_bilinear": tf_bilinear,
    "bilinear": by_torch("bilinear"),
    "bilinear_antialias": lambda x, h, w: by_pil(x, h, w, PIL.Image.BILINEAR),
    "bicubic": by_torch("bicubic"),
    "bicubic_antialias": lambda x, h, w: by_pil(x, h, w, PIL.Image.BICUBIC),
}


def inputs(images, size, resize, mean, deviation):
    pixels = RESIZES[resize](images.float(), size, size).clip(0, 255)
    return (pixels - torch.tensor(mean).reshape(3, 1, 1)) / deviation


# The networks that torchvision does not have -----------------------------------------------------------------------------------

def pad_same(x, kernel, stride, value=0.0):
    """TensorFlow's 'same': an odd row or column goes to the bottom or the right."""
    rows, columns = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[2:])
    return F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2), value=value)


class Recorder:
    """Stands for the weights while a network runs for the first time: notes each tensor's shape."""

    def __init__(self, weights=None):
        self.shapes, self.weights = {}, weights

    def __call__(self, name, *shape):
        self.shapes[name] = list(shape)
        return torch.zeros(shape) if self.weights is None else self.weights[name]


def face_descriptor(w, x):
    def conv(name, x, channels, kernel, stride, padding):
        x = F.conv2d(x, w(name + ".conv.filters", channels, x.shape[1], kernel, kernel), w(name + ".conv.bias", channels),
                     stride=stride, padding=padding)
        return x * w(name + ".scale.weights", channels).reshape(-1, 1, 1) + w(name + ".scale.biases", channels).reshape(-1, 1, 1)

    def block(name, x, channels):
        y = conv(name + ".conv2", conv(name + ".conv1", x, channels, 3, 1, 1).relu(), channels, 3, 1, 1)
        return (x + y).relu()

    def down(name, x, channels):
        y = conv(name + ".conv2", conv(name + ".conv1", x, channels, 3, 2, 0).relu(), channels, 3, 1, 1)
        mean = F.avg_pool2d(x, 2, 2)
        out = torch.zeros(len(x), channels, *mean.shape[2:])
        out[:, : x.shape[1]] = mean
        out[:, :, : y.shape[2], : y.shape[3]] += y
        return out.relu()

    x = F.max_pool2d(conv("conv32_down", x, 32, 7, 2, 0).relu(), 3, 2)
    for channels, count in ((32, 3), (64, 3), (128, 2), (256, 2)):
        if channels > 32:
            x = down(f"conv{channels}_down", x, channels)
        for i in range(count):
            x = block(f"conv{channels}_{i + 1}", x, channels)
    x = down("conv256_down_out", x, 256)
    return {"features": x.mean((2, 3)) @ w("fc.weights", 128, 256).T}


def face_age_gender(w, x):
    def conv(name, x, channels, kernel):
        return F.conv2d(pad_same(x, kernel, 2), w(name + ".filters", channels, x.shape[1], kernel, kernel),
                        w(name + ".bias", channels), stride=2)

    def separable(name, x, channels):
        x = F.conv2d(x, w(name + ".depthwise_filter", x.shape[1], 1, 3, 3), padding=1, groups=x.shape[1])
        return F.conv2d(x, w(name + ".pointwise_filter", channels, x.shape[1], 1, 1), w(name + ".bias", channels))

    def reduction(name, x, channels, use_relu=True):
        y = separable(name + ".separable_conv0", x.relu() if use_relu else x, channels)
        y = separable(name + ".separable_conv1", y.relu(), channels)
        y = F.max_pool2d(pad_same(y, 3, 2, -math.inf), 3, 2)
        return y + conv(name + ".expansion_conv", x, channels, 1)

    x = conv("entry_flow.conv_in", x, 32, 3).relu()
    x = reduction("entry_flow.reduction_block_0", x, 64, use_relu=False)
    x = reduction("entry_flow.reduction_block_1", x, 128)
    for i in range(2):
        y = x
        for j in range(3):
            y = separable(f"middle_flow.main_block_{i}.separable_conv{j}", y.relu(), 128)
        x = x + y
    x = reduction("exit_flow.reduction_block", x, 256)
    features = separable("exit_flow.separable_conv", x, 512).relu().mean((2, 3))
    return {
        "features": features,
        "logits": features @ w("fc.gender.weights", 2, 512).T + w("fc.gender.bias", 2),
        "years": (features @ w("fc.age.weights", 1, 512).T + w("fc.age.bias", 1))[:, 0],
    }


def mobilenet_v2(w, x):
    def conv(name, x, channels, kernel, stride=1, depthwise=False):
        weight = w(name + ".weight", channels, 1 if depthwise else x.shape[1], kernel, kernel)
        x = F.pad(x, (0, 1, 0, 1)) if stride == 2 else F.pad(x, (kernel // 2,) * 4)
        return F.conv2d(x, weight, w(name + ".bias", channels), stride=stride, groups=x.shape[1] if depthwise else 1)

    x = F.relu6(conv("Conv1", x, 32, 3, 2))
    x = F.relu6(conv("expanded_conv_depthwise", x, 32, 3, depthwise=True))
    x = conv("expanded_conv_project", x, 16, 1)
    outputs = [24] * 2 + [32] * 3 + [64] * 4 + [96] * 3 + [160] * 3 + [320]
    for i, channels in enumerate(outputs, 1):
        y = F.relu6(conv(f"block_{i}_expand", x, 6 * x.shape[1], 1))
        y = F.relu6(conv(f"block_{i}_depthwise", y, y.shape[1], 3, HALVED if i in (1, 3, 6, 13) else WHOLE, depthwise=True))
        y = conv(f"block_{i}_project", y, channels, 1)
        x = x + y if i not in (1, 3, 6, 13) and channels == x.shape[1] else y
    features = F.relu6(conv("Conv_1", x, 1280, 1)).mean((2, 3))
    return {"features": features, "logits": features @ w("predictions.weight", 1000, 1280).T + w("predictions.bias", 1000)}


def written_out(network, x):
    """(shapes, outputs) under the formula's weights."""
    recorder = Recorder()
    network(recorder, x[:1])
    return recorder.shapes, network(Recorder(formula_weights(recorder.shapes)), x)


# Inception ---------------------------------------------------------------------------------------------------------------------

def inception(x, num_classes, is_fid):
    """torchvision's own network; for FID its smoothing pools are replaced as the 2015 graph has them."""
    network = torchvision.models.inception_v3(weights=None, num_classes=num_classes, aux_logits=not is_fid,
                                              transform_input=False, init_weights=False).eval()
    shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    weights = formula_weights(shapes)
    network.load_state_dict(weights)
    taken = {}
    network.avgpool.register_forward_hook(lambda module, args, out: taken.update(features=out.flatten(1)))
    network.Mixed_6d.branch1x1.register_forward_hook(lambda module, args, out: taken.update(spatial=out))
    functional = torchvision.models.inception.F
    plain = functional.avg_pool2d
    if is_fid:
        functional.avg_pool2d = lambda x, **options: plain(x, count_include_pad=False, **options)

        def largest(x, **options):
            return F.max_pool2d(x, kernel_size=3, stride=1, padding=1)

        network.Mixed_7c.register_forward_pre_hook(lambda module, args: setattr(functional, "avg_pool2d", largest))
    logits = network(x)
    functional.avg_pool2d = plain
    if not is_fid:
        return shapes, {"features": taken["features"], "logits": logits}
    unbiased = taken["features"] @ weights["fc.weight"].T
    spatial = taken["spatial"][:, :7].permute(0, 2, 3, 1).flatten(1)
    return shapes, {"features": taken["features"], "logits": unbiased, "spatial": spatial}


# LPIPS -------------------------------------------------------------------------------------------------------------------------

LPIPS = {  # backbone, tapped layers, their channels
    "alex": (lambda: torchvision.models.alexnet().features, [1, 4, 7, 9, 11], [64, 192, 384, 256, 256]),
    "squeeze": (lambda: torchvision.models.squeezenet1_1().features, [1, 4, 7, 9, 10, 11, 12], [64, 128, 256, 384, 384, 512, 512]),
    "vgg": (lambda: torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"]), [3, 8, 15, 22, 29],
            [64, 128, 256, 512, 512]),
}


def lpips(name, a, b, heads):
    make, taps, _ = LPIPS[name]
    layers = make().eval()
    shapes = {"features." + key: list(tensor.shape) for key, tensor in layers.state_dict().items()}
    weights = formula_weights(shapes)
    layers.load_state_dict({key.removeprefix("features."): tensor for key, tensor in weights.items()})
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    a, b = ((x / 127.5 - 1 - shift.reshape(3, 1, 1)) / scale.reshape(3, 1, 1) for x in (a.float(), b.float()))
    total = 0
    for i, layer in enumerate(layers[: taps[-1] + 1]):
        a, b = layer(a), layer(b)
        if i in taps:
            unit_a, unit_b = (x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10) for x in (a, b))
            weighted = F.conv2d((unit_a - unit_b) ** 2, heads[f"{name}.lin{taps.index(i)}.weight"])
            total = total + weighted.mean((1, 2, 3))
    return shapes, {"distance": total}


# The file ----------------------------------------------------------------------------------------------------------------------

def write_safetensors(path, tensors, metadata):
    dtypes = {torch.float32: "F32", torch.uint8: "U8"}
    header, blocks, offset = {"__metadata__": metadata}, [], 0
    for name in sorted(tensors, key=lambda n: (-tensors[n].element_size(), n)):
        tensor = tensors[name].contiguous()
        block = tensor.numpy().tobytes()
        header[name] = {"dtype": dtypes[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, offset + len(block)]}
        blocks.append(block)
        offset += len(block)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blocks))


def smooth_images(rng, count, height, width):
    """Blobs with some noise: neither flat nor white."""
    coarse = torch.from_numpy(rng.normal(size=(count, 3, 7, 7)).astype(np.float32))
    fine = torch.from_numpy(rng.normal(size=(count, 3, height, width)).astype(np.float32))
    pixels = 128 + 70 * F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False) + 12 * fine
    return pixels.round().clip(0, 255).to(torch.uint8)


def main():
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    rng = np.random.default_rng(7)
    images, others = smooth_images(rng, 2, 48, 40), smooth_images(rng, 2, 48, 40)
    tensors, metadata = {"images": images, "others": others}, {}

    plane = torch.from_numpy(rng.uniform(0, 255, size=(1, 2, 9, 7)).astype(np.float32))
    tensors["resize.input"] = plane
    for mode, resize in RESIZES.items():
        for height, width in ((13, 11), (4, 3), (5, 12)):
            tensors[f"resize.{mode}.{height}x{width}"] = resize(plane, height, width)

    def add(name, shapes, outputs):
        metadata[name + ".shapes"] = json.dumps(shapes, separators=(",", ":"))
        tensors.update({f"{name}.{key}": value for key, value in outputs.items()})
        print(name, sum(map(math.prod, shapes.values())), {key: float(value.std()) for key, value in outputs.items()})

    face = [122.782, 117.001, 104.298]
    add("face_descriptor", *written_out(face_descriptor, inputs(images, 150, "bilinear_antialias", face, 255)))
    add("face_age_gender", *written_out(face_age_gender, inputs(images, 112, "bilinear_antialias", face, 255)))
    add("mobilenet_v2", *written_out(mobilenet_v2, inputs(images, 224, "bicubic_antialias", [127.5] * 3, 127.5)))
    add("inception_fid", *inception(inputs(images[:1], 299, "tf_bilinear", [128.0] * 3, 128), 1008, is_fid=True))
    add("inception_torchvision",
        *inception(inputs(images[:1], 299, "bilinear_antialias", [127.5] * 3, 127.5), 1000, is_fid=False))

    head_shapes = {f"{name}.lin{i}.weight": [1, c, 1, 1] for name, (_, _, channels) in LPIPS.items() for i, c in enumerate(channels)}
    metadata["lpips.heads.shapes"] = json.dumps(head_shapes, separators=(",", ":"))
    heads = formula_weights(head_shapes)
    for name in LPIPS:
        add("lpips." + name, *lpips(name, images, others, heads))
    write_safetensors(pathlib.Path(__file__).with_name("extractors.safetensors"), tensors, metadata)


if __name__ == "__main__":
    main()
