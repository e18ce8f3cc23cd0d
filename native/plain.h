// A plain network (dense layers, batch normalisation, ReLU, dropout, sigmoid or softmax) trained for many steps by one
// thread: weights, slots and all that lies between stay in the processor's caches. Compiled once per instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels.h"

namespace goodfit {

enum Operation : int32_t { kDense, kNormalization, kRelu, kDropout, kSigmoid, kSoftmax };

constexpr int64_t kVector = 16;  // floats worked on together
constexpr int64_t padded(int64_t units) { return (units + kVector - 1) / kVector * kVector; }

// Weights with their slots; rows of `padded` columns, but for those of the sparse first layer.
struct Weights {
  float *data, *slot0, *slot1;
  int64_t rows, units;
  float l1, l2;
};

struct Layer {
  int32_t operation;
  int64_t in, units;         // of its input and output
  Weights *weights, *bias;   // normalisation: gamma, beta; null where there are none
  float *mean, *variance;    // moving statistics
  float momentum, epsilon, rate;
  int32_t key;               // which of a step's keys
  float *input, *output;     // (batch, padded) each; ReLU and dropout work in place
  float* saved;              // normalisation: mean and 1 / deviation of the batch; dropout: what it multiplied by
};

// One step's batch by features, those with equally many entries together: so no branch of their loops is guessed wrong.
struct SortedBatch {
  static constexpr int kKinds = 10;  // 0 to 8 entries, and more
  const int32_t* features;           // sorted so
  int32_t counts[kKinds];
  const int32_t* lengths;            // entries of each feature of the last kind
  const uint16_t* rows;              // of the batch, for feature after feature
  const float* values;               // null: all ones
  RowBatch by_row;                   // the same entries, the batch's rows one after another
};

// What all lanes share.
struct PlainData {
  RowBatch sparse;      // all rows
  const float* dense;   // (rows, features), or null
  const int32_t* labels;
  int64_t rows, features, classes;
};

// The first kernel of sparse rows is packed: tiles (features, width) of the lane's columns.
struct PackedWeights {
  Weights* tiles;  // null for dense rows
  int64_t count, width;
};

struct PlainSteps {
  int64_t steps, batch;
  const int32_t* order;        // (steps, batch), -1 is padding
  const SortedBatch* sorted;   // of each step, null for dense rows
  const uint8_t* member;       // (rows,): 1 for the lane's own
  const uint32_t* keys;        // (steps, dropout layers)
  int64_t dropouts;
  const float* coefficients;   // (steps, kStepCoefficients), for the lane's own steps
  float smoothing;
};
enum StepCoefficient { kStepRate, kStepDecay, kStepCoefficients };

struct PlainNetwork {
  Layer* layers;
  int64_t count;
  PackedWeights first;
  float *gradient, *other;   // (batch, widest padded) each
  float* transposed;         // as large as the largest kernel
  int32_t* own;              // (batch,)
};

struct PlainSums {
  double loss;
  int64_t right, rows, steps;
};

struct PlainKernels {
  void (*train[kRules])(const PlainData&, const PlainSteps&, PlainNetwork&, PlainSums*);
  // Rows in inference mode, at most the network's batch; adds to sums[0] those of role 1, to sums[1] those of role 2.
  void (*evaluate)(const PlainData&, const int32_t* rows, int64_t count, const uint8_t* member, PlainNetwork&,
                   PlainSums* sums);
};

const PlainKernels* plain_kernels();

}  // namespace goodfit
