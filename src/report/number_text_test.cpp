#include "report/number_text.h"

#include <cmath>

#include <gtest/gtest.h>

namespace equipoise::report {
namespace {

TEST(NumberText, KeepsAboutThreeDigitsAtEverySize) {
  EXPECT_EQ(number_text(0.08312), "0.083");
  EXPECT_EQ(number_text(5.678), "5.68");
  EXPECT_EQ(number_text(56.78), "56.8");
  EXPECT_EQ(number_text(12345.6), "12,346");
  EXPECT_EQ(number_text(0.000021), "2.10e-05");
  EXPECT_EQ(number_text(0.0), "0");
}

TEST(NumberText, WhatWasNotMeasuredIsADash) {
  EXPECT_EQ(number_text(std::nullopt), "–");
  EXPECT_EQ(number_text(std::nan("")), "–");
  EXPECT_EQ(estimate_text(std::nullopt), "–");
  EXPECT_EQ(seconds_text(std::nullopt), "–");
}

TEST(NumberText, PropertiesAreListedWithoutBraces) {
  EXPECT_EQ(properties_text({{"dtype", "float64"}, {"k", 5}}), "dtype = float64, k = 5");
  EXPECT_EQ(properties_text("k = 5"), "k = 5");
  EXPECT_EQ(properties_text(nullptr), "");
}

TEST(NumberText, EstimatesCarryTheirInterval) {
  EXPECT_EQ(estimate_text(Estimate{0.083, 0.061, 0.107}), "0.083 (0.061–0.107)");
  EXPECT_EQ(estimate_text(Estimate{0.083, std::nullopt, std::nullopt}), "0.083");
  EXPECT_EQ(percent_text(Estimate{0.123, 0.109, 0.138}), "12.3 % (10.9–13.8 %)");
  EXPECT_EQ(estimate_text(Estimate{-0.015, -0.017, -0.012}), "-0.015 (-0.017 to -0.012)");
  EXPECT_EQ(percent_text(Estimate{0.01, -0.02, 0.04}), "1.0 % (-2.0 to 4.0 %)");
}

}  // namespace
}  // namespace equipoise::report
