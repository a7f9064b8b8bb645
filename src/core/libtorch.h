// The part of LibTorch that Equipoise uses beyond tensors: modules, gradients, guards.
// torch/torch.h brings ten times as much and costs every file seconds to compile.
#pragma once

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>
