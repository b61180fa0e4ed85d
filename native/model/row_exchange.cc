#include "model/row_exchange.h"

#include <algorithm>

namespace burgeon {

namespace {

template <class M>
size_t bytes_of(int64_t count) {
  return static_cast<size_t>(count) * sizeof(M);
}

}  // namespace

// The next elements of every owner.
template <class M>
struct RowExchange<M>::Piece {
  OwnedElements owned;
  M* received;          // room for the parts of all ranks of own elements
  M* given;             // room for what goes to another rank or comes from it, one after the other
  int64_t given_count;  // of each

  const Runs& of(int rank) const { return owned[static_cast<size_t>(rank)]; }
  int64_t count(int rank) const { return count_of(of(rank)); }
  M* given_of(int rank) const { return given + rank * given_count; }
};

template <class M>
void RowExchange<M>::link(Communicator& ranks) {
  links_ = nullptr;
  links_ = link_devices(device_, ranks);
  linked_ = ranks.id();
}

template <class M>
void RowExchange<M>::sum(Communicator& ranks, const SumTree& tree, const std::vector<M*>& parts,
                         const OwnedElements& owned, bool gives_to_all, const Add& add, const char* what) {
  const int rank = ranks.rank();
  const int64_t own_parts = tree.parts(rank);
  for_pieces(ranks, owned, tree.parts(), tree.most_parts(), [&](const Piece& piece) {
    const int64_t own = piece.count(rank);
    const auto received = [&](int part) { return piece.received + part * own; };
    const auto pack_parts = [&](M* to, int owner) {
      for (M* const part : parts) {
        pack(to, part, piece.of(owner));
        to += piece.count(owner);
      }
    };
    pack_parts(received(tree.first(rank)), rank);
    exchange(ranks, what, [&](int peer) {
      M* given = own_parts == 1 ? in_place(parts[0], piece.of(peer)) : nullptr;
      if (!given) {
        given = piece.given_of(peer);
        pack_parts(given, peer);
      }
      return Message{peer, given, bytes_of<M>(own_parts * piece.count(peer)), received(tree.first(peer)),
                     bytes_of<M>(tree.parts(peer) * own)};
    });
    for (const SumTree::Addition& each : tree.additions()) {
      M* const to = received(each.to);
      const M* const from = received(each.from);
      if (!on_device_) {
        for (int64_t i = 0; i < own; ++i) to[i] += from[i];
      } else if (own > 0) {
        add(to, from, own);
      }
    }
    M* const sums = parts.back();
    unpack(sums, piece.received, piece.of(rank));
    if (gives_to_all) return give(ranks, sums, piece, what);
    for (int other = 0; other < ranks.size(); ++other) {
      if (other == rank) continue;
      for (const ElementRun& run : piece.of(other)) device_.clear(sums + run.first, bytes_of<M>(run.count));
    }
  });
  if (is_linked(ranks)) links_->finish(ranks, what);
}

template <class M>
void RowExchange<M>::gather(Communicator& ranks, M* array, const OwnedElements& owned, const char* what) {
  for_pieces(ranks, owned, 1, 1, [&](const Piece& piece) {
    pack(piece.received, array, piece.of(ranks.rank()));
    give(ranks, array, piece, what);
  });
  if (is_linked(ranks)) links_->finish(ranks, what);
}

template <class M>
void RowExchange<M>::give(Communicator& ranks, M* array, const Piece& piece, const char* what) {
  const size_t own_bytes = bytes_of<M>(piece.count(ranks.rank()));
  exchange(ranks, what, [&](int peer) {
    M* const in = in_place(array, piece.of(peer));
    return Message{peer, piece.received, own_bytes, in ? in : piece.given_of(peer), bytes_of<M>(piece.count(peer))};
  });
  for (int peer = 0; peer < ranks.size(); ++peer) {
    const Runs& runs = piece.of(peer);
    if (peer != ranks.rank() && !in_place(array, runs)) unpack(array, piece.given_of(peer), runs);
  }
}

template <class M>
template <class Compose>
void RowExchange<M>::exchange(Communicator& ranks, const char* what, Compose compose) {
  messages_.clear();
  for (int peer = 0; peer < ranks.size(); ++peer) {
    if (peer == ranks.rank()) continue;
    const Message message = compose(peer);
    if (message.out_bytes > 0 || message.in_bytes > 0) messages_.push_back(message);
  }
  if (on_device_) {
    links_->exchange(ranks, messages_, what);
  } else {
    ranks.exchange(messages_, what);
  }
}

template <class M>
template <class Visit>
void RowExchange<M>::for_pieces(Communicator& ranks, const OwnedElements& owned, int parts, int most_parts,
                                Visit visit) {
  on_device_ = is_linked(ranks);
  int64_t most = 0;
  for (const Runs& runs : owned) most = std::max(most, count_of(runs));
  const int64_t at_once = std::min(most, std::max(int64_t{1}, most_ / (int64_t{most_parts} * ranks.size())));
  if (at_once == 0) return;
  const int64_t given = at_once * most_parts;
  Piece piece{OwnedElements(owned.size()), reserve(at_once * parts + given * ranks.size()), nullptr, given};
  piece.given = piece.received + at_once * parts;
  // Of every owner, the run that is next and what is passed of it.
  std::vector<size_t> next(owned.size(), 0);
  std::vector<int64_t> passed(owned.size(), 0);
  for (int64_t done = 0; done < most; done += at_once) {
    for (size_t owner = 0; owner < owned.size(); ++owner) {
      Runs& runs = piece.owned[owner];
      runs.clear();
      for (int64_t left = at_once; left > 0 && next[owner] < owned[owner].size();) {
        const ElementRun& run = owned[owner][next[owner]];
        const int64_t taken = std::min(left, run.count - passed[owner]);
        runs.push_back({run.first + passed[owner], taken});
        left -= taken;
        passed[owner] += taken;
        if (passed[owner] < run.count) continue;
        ++next[owner];
        passed[owner] = 0;
      }
    }
    visit(piece);
  }
}

template <class M>
M* RowExchange<M>::reserve(int64_t count) {
  if (!on_device_) {
    on_host_.resize(std::max(on_host_.size(), static_cast<size_t>(count)));
    return on_host_.data();
  }
  if (arena_.size() < bytes_of<M>(count)) {
    arena_ = Arena();
    arena_ = Arena(device_, bytes_of<M>(count), "the exchange of gradients");
  }
  return reinterpret_cast<M*>(arena_.data());
}

template <class M>
M* RowExchange<M>::in_place(M* array, const Runs& runs) const {
  const bool is_reached = on_device_ || device_.queue() == nullptr;
  return is_reached && runs.size() == 1 ? array + runs[0].first : nullptr;
}

template <class M>
void RowExchange<M>::pack(M* to, const M* array, const Runs& runs) const {
  for (const ElementRun& run : runs) {
    const size_t bytes = bytes_of<M>(run.count);
    if (on_device_) {
      device_.copy(to, array + run.first, bytes);
    } else {
      device_.read(to, array + run.first, bytes);
    }
    to += run.count;
  }
}

template <class M>
void RowExchange<M>::unpack(M* array, const M* from, const Runs& runs) const {
  for (const ElementRun& run : runs) {
    const size_t bytes = bytes_of<M>(run.count);
    if (on_device_) {
      device_.copy(array + run.first, from, bytes);
    } else {
      device_.write(array + run.first, from, bytes);
    }
    from += run.count;
  }
}

template class RowExchange<float>;
template class RowExchange<double>;

}  // namespace burgeon
