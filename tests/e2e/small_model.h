// A model that has learnt nothing, in a few kilobytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace equipoise::e2e {

/// Grey 8 x 8 images; conditional when `num_classes` is not 0.
void write_small_model(const std::filesystem::path& path, int64_t num_classes = 0);
/// A classifier of 8 x 8 grey images; its classes are numbers where they have no names.
void write_small_classifier(const std::filesystem::path& path, int64_t num_classes,
                            const std::vector<std::string>& class_names = {});

/// A discriminator of grey images of `side` pixels that has learnt nothing.
void write_small_discriminator(const std::filesystem::path& path, int64_t side = 8);

}  // namespace equipoise::e2e
