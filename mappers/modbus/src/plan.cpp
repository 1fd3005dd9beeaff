#include "modbus/plan.hpp"

#include <algorithm>
#include <cassert>
#include <tuple>
#include <utility>

namespace modbus {

namespace {

// What cannot be parted: a range, or all ranges of a pin. Its members: wanted[begin..end).
struct Atom {
  Range range;
  std::size_t begin = 0;
  std::size_t end = 0;
};

std::vector<Atom> make_atoms(std::vector<Wanted>& wanted) {
  std::ranges::sort(wanted, {}, [](const Wanted& one) {
    return std::tuple(one.pin, one.range.table, one.range.first, one.range.count, one.id);
  });
  std::vector<Atom> atoms;
  atoms.reserve(wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const bool joins = i > 0 && wanted[i].pin != 0 && wanted[i].pin == wanted[i - 1].pin;
    if (!joins) atoms.push_back({wanted[i].range, i, i});
    assert(atoms.back().range.table == wanted[i].range.table);
    atoms.back().range = hull_of(atoms.back().range, wanted[i].range);
    atoms.back().end = i + 1;
  }
  std::ranges::sort(atoms, {}, [](const Atom& one) {
    return std::tuple(one.range.table, one.range.first, one.range.count, one.begin);
  });
  return atoms;
}

// The rules of one table.
class Rules {
 public:
  Rules(Table table, const Limits& limits, std::span<const Barrier> barriers)
      : limits_(limits),
        table_(table),
        longest_(limits.longest(table)),
        widest_gap_(is_bits(table) ? 16u * limits.max_gap : limits.max_gap) {
    for (const Barrier& one : barriers) {
      if (one.table == table) barriers_.push_back(one);
    }
  }

  bool joins(const Range& block, const Range& next) const {
    if (next.first > block.end() + widest_gap_) return false;
    if (std::max(block.end(), next.end()) - block.first > longest_) return false;
    const Range hull = hull_of(block, next);
    return !forbidden(hull) && std::ranges::none_of(barriers_, [&](const Barrier& one) {
      return hull.first <= one.low && one.high < hull.end();
    });
  }
  bool forbidden(const Range& range) const {
    return std::ranges::any_of(limits_.forbidden,
                               [&](const Range& one) { return overlap(one, range); });
  }
  bool allows(const Range& one) const {
    return one.count >= 1 && one.count <= longest_ && one.table == table_ && !forbidden(one);
  }

 private:
  const Limits& limits_;
  Table table_;
  std::uint32_t longest_;
  std::uint32_t widest_gap_;
  std::vector<Barrier> barriers_;
};

struct Best {
  std::chrono::nanoseconds cost = std::chrono::nanoseconds::max();
  std::size_t requests = 0;
  std::size_t from = 0;  // the last request begins with this atom
  Range range;           // of that request

  auto rank() const { return std::pair(cost, requests); }
};

// Cheapest ways to read the first 0, 1, 2 … of atoms, which are of one table and sorted by address.
// Requests of neighbours suffice. Say two requests G and H of a cheapest plan are interleaved, G
// beginning first. If some member of G that begins within H ends beyond it, then G's range holds
// all of H, and H is saved; else these members can be read in H, which does not grow for it.
std::vector<Best> cheapest(std::span<const Atom> atoms, const Limits& limits, const Rules& rules) {
  std::vector<Best> best(atoms.size() + 1);
  best[0].cost = {};
  for (std::size_t from = 0; from < atoms.size(); ++from) {
    assert(rules.allows(atoms[from].range));
    Range block = atoms[from].range;
    for (std::size_t to = from; to < atoms.size(); ++to) {
      // Whatever forbids this one forbids all that come after it: the hull only grows.
      if (to > from && !rules.joins(block, atoms[to].range)) break;
      block = hull_of(block, atoms[to].range);
      const Best way{best[from].cost + limits.cost.of(block), best[from].requests + 1, from, block};
      // Among equals the last one found has the shortest last request, the others are full.
      if (way.rank() <= best[to + 1].rank()) best[to + 1] = way;
    }
  }
  return best;
}

void append(Plan& plan, std::span<const Atom> atoms, const std::vector<Wanted>& wanted,
            const Range& range) {
  const auto begin = static_cast<std::uint32_t>(plan.members.size());
  for (const Atom& atom : atoms) {
    for (std::size_t i = atom.begin; i < atom.end; ++i) plan.members.push_back(wanted[i].id);
  }
  plan.requests.push_back({range, begin, static_cast<std::uint32_t>(plan.members.size())});
}

}  // namespace

Range hull_of(const Range& one, const Range& other) {
  assert(one.table == other.table);
  const std::uint16_t first = std::min(one.first, other.first);
  return {one.table, first, static_cast<std::uint16_t>(std::max(one.end(), other.end()) - first)};
}

bool overlap(const Range& one, const Range& other) {
  return one.table == other.table && one.first < other.end() && other.first < one.end();
}

Plan make_plan(std::vector<Wanted> wanted, const Limits& limits,
               std::span<const Barrier> barriers) {
  const std::vector<Atom> atoms = make_atoms(wanted);
  Plan plan;
  plan.members.reserve(wanted.size());
  for (std::size_t begin = 0; begin < atoms.size();) {
    const Table table = atoms[begin].range.table;
    std::size_t end = begin;
    while (end < atoms.size() && atoms[end].range.table == table) ++end;
    const std::span<const Atom> of_table = std::span(atoms).subspan(begin, end - begin);
    const std::vector<Best> best = cheapest(of_table, limits, Rules(table, limits, barriers));
    std::vector<const Best*> way;
    std::vector<std::size_t> ends;
    for (std::size_t to = of_table.size(); to > 0; to = best[to].from) {
      way.push_back(&best[to]);
      ends.push_back(to);
    }
    while (!way.empty()) {
      const Best& next = *way.back();
      append(plan, of_table.subspan(next.from, ends.back() - next.from), wanted, next.range);
      way.pop_back();
      ends.pop_back();
    }
    begin = end;
  }
  return plan;
}

}  // namespace modbus
