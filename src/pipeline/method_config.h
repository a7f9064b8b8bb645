// How the methods of a run are trained beside their objective: on which groups, from which weights,
// under which constraints. [objective.NAME] and [constraints.NAME].
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/config.h"
#include "train/constraints/constraint.h"
#include "train/dual_ascent.h"
#include "train/mixout.h"

namespace equipoise::pipeline {

/// Keys of [objective.NAME] that every objective has; the others are its own options.
struct MethodTraining {
  std::vector<std::string> groups;
  std::string start;
  int64_t images = 0;
  double learning_rate = 0;
  std::vector<std::string> constraints;
  double mixout = 0;
  std::string mixout_gradient = "exact";
  std::string mixout_unit = "neuron";
  double pull = 0;

  void fields(FieldVisitor& f) {
    f("groups", groups, "", "train on images of these groups alone; empty = all");
    f("start", start, "",
      "begin with the weights of this model: an earlier entry of objectives, or a model file");
    f("images", images, "images", "training images in place of train.images; 0 = those", {0, 1e12});
    f("learning_rate", learning_rate, "", "in place of train.learning_rate; 0 = that", {0, 10});
    f("constraints", constraints, "",
      "entries of [constraints] to be trained under; 'constrained' takes all when none is named");
    f("mixout", mixout, "",
      "share of input neurons seen with the weights of 'start' in a network call; 0 = none",
      {0, 1});
    f.choice("mixout_gradient", mixout_gradient, {"exact", "reference"},
             "exact, or smaller by 1 - mixout as in the official code");
    f.choice("mixout_unit", mixout_unit, {"neuron", "weight"}, "what mixout exchanges as one");
    f("pull", pull, "", "strength / 2 |w - w_start|^2 added to the loss of an image", {0, 1e9});
  }
  train::MixoutConfig mixout_config() const {
    return {.probability = mixout, .gradient = mixout_gradient, .unit = mixout_unit};
  }
};

/// One table [constraints.NAME]: what all kinds are told, and the kind's own options.
struct ConstraintConfig {
  std::string name;
  train::ConstraintSettings settings = {};
  nlohmann::json options = nlohmann::json::object();
};

/// [constraints]: the multipliers' rule, and a table for each constraint.
struct ConstraintsSection : train::DualConfig {
  std::vector<ConstraintConfig> entries;  ///< sorted by name

  /// Throws UsageError naming the known ones.
  size_t position(const std::string& name) const;
};

/// Takes the keys of MethodTraining out of a method's options. Throws UsageError for wrong values.
MethodTraining take_training(nlohmann::json& options, const std::string& where);

/// What a method's training must fit.
struct TrainingSurroundings {
  std::string where;               ///< names the method in messages
  bool takes_constraints = false;  ///< whether its objective is trained under all of them by itself
  std::vector<std::string> earlier;  ///< methods trained before it
  double weight_decay = 0;
  bool has_words = false;
  const ConstraintsSection& constraints;
};
/// Fills in the constraints the objective takes by itself and adds what does not fit to the tree's
/// problems.
void settle(MethodTraining& training, const TrainingSurroundings& run, ConfigTree& tree);

/// Reads the tables below [constraints]; problems are added to the tree.
void read_constraints(ConfigTree& tree, ConstraintsSection& section);

/// The keys that differ from their defaults, as they are written in a config.
nlohmann::ordered_json to_json(const MethodTraining& training);
nlohmann::ordered_json to_json(const ConstraintConfig& constraint);

}  // namespace equipoise::pipeline
