// Numbers of one kind as another, without what the language leaves undefined: a cast of a double
// that the integer cannot hold. Pure; any thread.
#pragma once

#include <cmath>
#include <concepts>
#include <limits>

namespace base {

// Whether T holds what is left of number without its fraction; not a NaN.
template <std::integral T>
bool fits(std::floating_point auto number) {
  using Float = decltype(number);
  // One past the highest is a power of two, which every Float holds; the highest itself may not be.
  const Float end = std::ldexp(Float{1}, std::numeric_limits<T>::digits);
  const Float whole = std::trunc(number);
  return whole >= static_cast<Float>(std::numeric_limits<T>::min()) && whole < end;
}

// The whole number that number is. false: it is none, or beyond T; out is untouched.
template <std::integral T>
bool to_whole(std::floating_point auto number, T& out) {
  if (!fits<T>(number) || number != std::trunc(number)) return false;
  out = static_cast<T>(number);
  return true;
}

// number without its fraction, or the end of T that it is beyond; 0 for a NaN.
template <std::integral T>
T clamped(std::floating_point auto number) {
  if (fits<T>(number)) return static_cast<T>(number);
  if (std::isnan(number)) return 0;
  return number < 0 ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max();
}

}  // namespace base
