// The [data] table of a run: which images, and how they are divided.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/fields.h"

namespace equipoise::data {

struct SplitConfig {
  std::string protocol = "none";
  std::vector<std::string> attributes = {
      "class"};  ///< what divides the images into groups; several = their cross
  /// Groups that `minority` cuts or whose share `attribute` sets.
  std::vector<std::string> classes;
  double fraction = 0.1;
  double imbalance = 100;
  double share = 0.1;
  int64_t num_images = 0;
  std::string biased_file;
  std::string reference_file;

  void fields(FieldVisitor& f) {
    f("protocol", protocol, "", "how the biased set is made (equipoise list splits)");
    f("attributes", attributes, "",
      "what divides images into groups; several are crossed as 'Female/Black'");
    f("classes", classes, "", "groups meant by 'minority' and 'attribute', by name");
    f("fraction", fraction, "", "minority: what the named groups keep", {0, 1});
    f("imbalance", imbalance, "", "long-tail: ratio r of the first group to the last", {1, 1e6});
    f("share", share, "", "attribute: share of the named groups in the biased set", {0, 1});
    f("num_images", num_images, "images",
      "attribute: size of the biased set; 0 = as large as possible", {0, 1e12});
    f("biased_file", biased_file, "", "file: indices or image names of the biased set, one a line");
    f("reference_file", reference_file, "", "file: the same for the reference set; empty = drawn");
  }
};

struct ReferenceConfig {
  double size = 0.05;
  std::string balance = "balanced";
  std::vector<double> shares;

  void fields(FieldVisitor& f) {
    f("size", size, "",
      "below 1: fraction of the biased set; else number of images; 0 = no reference", {0, 1e12});
    f.choice("balance", balance, {"balanced", "as-is", "shares"},
             "groups of the reference: equally many, as in the whole set, or as `shares` says");
    f("shares", shares, "", "share of each group, in the groups' order, when balance is 'shares'",
      {0, 1});
  }
};

/// Labels made wrong on purpose, or given by others (label_noise.h).
struct LabelNoiseConfig {
  std::string kind = "none";
  double rate = 0.4;
  std::vector<std::string> map;
  std::string rings;
  std::vector<std::string> rows;
  std::string matrix_file;
  std::string labels_file;
  std::string draw = "independent";

  void fields(FieldVisitor& f) {
    f.choice("kind", kind, {"none", "symmetric", "asymmetric", "matrix", "labels"},
             "how training labels are made wrong; measuring keeps the true ones");
    f("rate", rate, "", "share of wrong labels, in the mapped classes when asymmetric", {0, 1});
    f("map", map, "",
      "asymmetric: 'FROM->TO' by class name, or one of mnist, cifar10 for the published map");
    f("rings", rings, "",
      "asymmetric: attribute within whose values each class becomes the next one, cyclically");
    f("rows", rows, "",
      "matrix: one row a true class, 'p p p', the shares of the labels it is given");
    f("matrix_file", matrix_file, "", "matrix: the same as CSV, under a header of class names");
    f("labels_file", labels_file, "",
      "labels: CSV with columns image (its index or name) and label, such as another method's "
      "corrected labels");
    f.choice("draw", draw, {"independent", "exact"},
             "each label by its own draw, or exactly the stated share of every class");
  }
};

/// The [data] table of a run.
struct DataConfig {
  std::string path;        ///< dataset spec
  std::string evaluation;  ///< dataset spec of images that training never sees; empty = none
  double heldout = 0;
  SplitConfig split;
  ReferenceConfig reference;
  LabelNoiseConfig label_noise;

  void fields(FieldVisitor& f) {
    f("path", path, "", "the data set: PATH or reader:PATH (equipoise list datasets)");
    f("evaluation", evaluation, "",
      "another data set, for the classifier and for measuring; empty = use heldout");
    f("heldout", heldout, "",
      "share of every group kept from training, for the classifier and measuring", {0, 0.9});
    f.group("split", split, "how the biased set is made");
    f.group("reference", reference, "the small unbiased set");
    f.group("label_noise", label_noise, "labels made wrong on purpose, or given by others");
  }
};

}  // namespace equipoise::data
