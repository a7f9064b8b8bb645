#include "data/affine_resample.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"

namespace equipoise::data {

AffineMap AffineMap::rotation(double angle) {
  const double c = std::cos(angle), s = std::sin(angle);
  return {{c, -s, 0, s, c, 0}};
}

AffineMap AffineMap::after(const AffineMap& inner) const {
  const auto& a = m;
  const auto& b = inner.m;
  return {{a[0] * b[0] + a[1] * b[3], a[0] * b[1] + a[1] * b[4], a[0] * b[2] + a[1] * b[5] + a[2],
           a[3] * b[0] + a[4] * b[3], a[3] * b[1] + a[4] * b[4], a[3] * b[2] + a[4] * b[5] + a[5]}};
}

namespace {

constexpr int64_t kTaps = 12;
constexpr std::array<float, kTaps> kSym6 = {
    0.015404109327027373f,  0.0034907120842174702f, -0.11799011114819057f,  -0.048311742585633f,
    0.4910559419267466f,    0.787641141030194f,     0.3379294217276218f,    -0.07263752278646252f,
    -0.021060292512300564f, 0.04472490177066578f,   0.0017677118642428036f, -0.007800708325034148f};

/// Half-open range of positions along one axis.
struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};

int64_t floor_half(int64_t value) {
  return value >> 1;
}

/// Along an axis of n pixels, pixel i of the image sits at position 2 i of the doubled one:
///   doubled[j] = sum over t of sym6[11 - k] * pixel[(j - 6 + k) / 2],  k = (j mod 2) + 2 t,  t = 0 … 5.
struct Doubling {
  int64_t first_pixel;  ///< of the six that position j sees
  std::array<float, kTaps / 2> weights;
};
Doubling doubling_at(int64_t position) {
  const int64_t odd = position & 1;
  Doubling doubling{floor_half(position - 6 + odd), {}};
  for (int64_t t = 0; t < kTaps / 2; ++t) doubling.weights[t] = kSym6[kTaps - 1 - odd - 2 * t];
  return doubling;
}

/// Where pixel `index` of the continued image is found in the image of n pixels, or -1 beyond the
/// continuation.
int64_t reflect(int64_t index, int64_t n) {
  if (index <= -n || index >= 2 * n - 1) return -1;
  if (index < 0) return -index;
  return index < n ? index : 2 * (n - 1) - index;
}

/// All positions of the doubled image that are not zero for lack of an image.
Range whole_doubled(int64_t n) {
  return {-2 * (n - 1), 4 * n - 2};
}

/// One channel of the doubled image, on the positions that are needed.
class DoubledChannel {
 public:
  DoubledChannel(Range columns, Range rows)
      : columns_(columns),
        rows_(rows),
        values_(static_cast<size_t>(columns.size() * rows.size())) {}

  void fill(const float* pixels, int64_t width, int64_t height) {
    const std::vector<float> wide = double_columns(pixels, width, height);
    std::fill(values_.begin(), values_.end(), 0.f);
    for (int64_t j = rows_.begin; j < rows_.end; ++j) {
      const Doubling doubling = doubling_at(j);
      float* out = values_.data() + (j - rows_.begin) * columns_.size();
      for (int64_t t = 0; t < kTaps / 2; ++t) {
        const int64_t row = reflect(doubling.first_pixel + t, height);
        if (row < 0) continue;
        const float* in = wide.data() + row * columns_.size();
        for (int64_t i = 0; i < columns_.size(); ++i) out[i] += doubling.weights[t] * in[i];
      }
    }
  }

  /// Bilinear; zero outside.
  float sample(double x, double y) const {
    const double left = std::floor(x), top = std::floor(y);
    const auto across = static_cast<float>(x - left), down = static_cast<float>(y - top);
    const auto column = static_cast<int64_t>(left), row = static_cast<int64_t>(top);
    return (1 - down) * ((1 - across) * at(column, row) + across * at(column + 1, row)) +
           down * ((1 - across) * at(column, row + 1) + across * at(column + 1, row + 1));
  }

 private:
  std::vector<float> double_columns(const float* pixels, int64_t width, int64_t height) const {
    std::vector<float> wide(static_cast<size_t>(height * columns_.size()), 0.f);
    for (int64_t j = columns_.begin; j < columns_.end; ++j) {
      const Doubling doubling = doubling_at(j);
      for (int64_t t = 0; t < kTaps / 2; ++t) {
        const int64_t column = reflect(doubling.first_pixel + t, width);
        if (column < 0) continue;
        for (int64_t row = 0; row < height; ++row)
          wide[static_cast<size_t>(row * columns_.size() + j - columns_.begin)] +=
              doubling.weights[t] * pixels[row * width + column];
      }
    }
    return wide;
  }

  float at(int64_t column, int64_t row) const {
    const bool is_inside =
        column >= columns_.begin && column < columns_.end && row >= rows_.begin && row < rows_.end;
    return is_inside ? values_[static_cast<size_t>((row - rows_.begin) * columns_.size() + column -
                                                   columns_.begin)]
                     : 0.f;
  }

  Range columns_, rows_;
  std::vector<float> values_;
};

/// Positions in the doubled image of the points that the output needs. Halving makes pixel i of
/// points 2 i + 1 to 2 i + 12; where nothing moves, point m is position m - 6, so that the filters'
/// delays cancel. The map acts about the centre, which pixel positions 2 i put at n - 1.
class SampleGrid {
 public:
  SampleGrid(const AffineMap& source, int64_t width, int64_t height)
      : source_(source),
        center_x_(static_cast<double>(width) - 1),
        center_y_(static_cast<double>(height) - 1) {}

  std::array<double, 2> position(int64_t column, int64_t row) const {
    const double x = static_cast<double>(column) - 6 - center_x_,
                 y = static_cast<double>(row) - 6 - center_y_;
    const auto [moved_x, moved_y] = source_.apply(x / 2, y / 2);
    return {2 * moved_x + center_x_, 2 * moved_y + center_y_};
  }

 private:
  AffineMap source_;
  double center_x_, center_y_;
};

constexpr int64_t num_points(int64_t n) {
  return 2 * n + kTaps - 2;
}

/// Columns (axis 0) or rows (axis 1) of the doubled image that the grid touches.
Range touched(const SampleGrid& grid, int axis, int64_t width, int64_t height) {
  double low = 1e300, high = -1e300;
  for (const int64_t column : {int64_t{1}, num_points(width)}) {
    for (const int64_t row : {int64_t{1}, num_points(height)}) {
      const double position = grid.position(column, row)[static_cast<size_t>(axis)];
      low = std::min(low, position);
      high = std::max(high, position);
    }
  }
  const Range whole = whole_doubled(axis == 0 ? width : height);
  const double begin =
      std::clamp(std::floor(low), static_cast<double>(whole.begin), static_cast<double>(whole.end));
  const double end = std::clamp(std::floor(high) + 2, begin, static_cast<double>(whole.end));
  return {static_cast<int64_t>(begin), static_cast<int64_t>(end)};
}

/// out[i] = sum over k of sym6[k] * points[2 i + k], along columns and then rows.
void halve(const std::vector<float>& points, int64_t width, int64_t height, float* out) {
  const int64_t num_rows = num_points(height), num_columns = num_points(width);
  std::vector<float> narrow(static_cast<size_t>(num_rows * width), 0.f);
  for (int64_t row = 0; row < num_rows; ++row)
    for (int64_t i = 0; i < width; ++i)
      for (int64_t k = 0; k < kTaps; ++k)
        narrow[static_cast<size_t>(row * width + i)] +=
            kSym6[static_cast<size_t>(k)] *
            points[static_cast<size_t>(row * num_columns + 2 * i + k)];
  std::fill(out, out + width * height, 0.f);
  for (int64_t row = 0; row < height; ++row)
    for (int64_t k = 0; k < kTaps; ++k)
      for (int64_t i = 0; i < width; ++i)
        out[row * width + i] +=
            kSym6[static_cast<size_t>(k)] * narrow[static_cast<size_t>((2 * row + k) * width + i)];
}

}  // namespace

at::Tensor resample(const at::Tensor& image, const AffineMap& source) {
  EQUIPOISE_ASSERT(image.dim() == 3 && image.scalar_type() == at::kFloat &&
                   image.device().is_cpu());
  const at::Tensor pixels = image.contiguous();
  const int64_t height = pixels.size(1), width = pixels.size(2);
  const SampleGrid grid(source, width, height);
  DoubledChannel doubled(touched(grid, 0, width, height), touched(grid, 1, width, height));
  at::Tensor out = at::empty_like(pixels);
  std::vector<float> points(static_cast<size_t>(num_points(width) * num_points(height)));
  for (int64_t channel = 0; channel < pixels.size(0); ++channel) {
    doubled.fill(pixels.data_ptr<float>() + channel * height * width, width, height);
    for (int64_t row = 0; row < num_points(height); ++row) {
      for (int64_t column = 0; column < num_points(width); ++column) {
        const auto [x, y] = grid.position(column + 1, row + 1);
        points[static_cast<size_t>(row * num_points(width) + column)] = doubled.sample(x, y);
      }
    }
    halve(points, width, height, out.data_ptr<float>() + channel * height * width);
  }
  return out;
}

}  // namespace equipoise::data
