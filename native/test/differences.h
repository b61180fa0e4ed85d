// Numerical derivatives. A central difference of fourth order: its error is about h^4 / 30 of the fifth derivative plus
// 1e-16 / h of the loss, so h = 1e-3 leaves some 1e-12 of a smooth function of size 1.
#pragma once

namespace burgeon::test {

// d loss() / d x, where the loss reads x. Leaves x as it was.
template <class Loss>
double slope(Loss loss, double& x) {
  constexpr double h = 1e-3;
  const double centre = x;
  const auto at = [&](double value) {
    x = value;
    return static_cast<double>(loss());
  };
  const double near = at(centre + h) - at(centre - h);
  const double far = at(centre + 2 * h) - at(centre - 2 * h);
  x = centre;
  return (8 * near - far) / (12 * h);
}

}  // namespace burgeon::test
