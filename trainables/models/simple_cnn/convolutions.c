/* The convolutional half of SimpleCNN for many networks: 5x5 convolution 3->6, max-pool 2x2, ReLU, 5x5 convolution
 * 6->16, max-pool 2x2, ReLU, from bytes to 400 features, and its gradient.
 *
 * Forward, each vector holds neighbouring places of one channel (first convolution) or all channels of one place
 * (second), and four of them the four members of 16 pooling windows: pooling takes no shuffle, nothing is padded but
 * 14 columns to 16. Backward, pooling hands the gradient to one place in four and ReLU to some of those; products are
 * taken for these places alone, a quarter or less of what a general convolution computes. Images stay bytes until they
 * are needed.
 *
 * The pixels are normalised as trainables.data.normalize does. A NaN stays one: comparisons are written so that it wins
 * a maximum and passes a ReLU, as in torch.
 */

#include <stdint.h>
#include <string.h>

/* As many sums at once as registers hold. */
#ifdef __AVX512F__
enum { WIDTH = 16, PART = 3, COLUMNS = 10, ROWS = 5 };
#else
enum { WIDTH = 8, PART = 2, COLUMNS = 2, ROWS = 1 };
#endif

typedef float Vector __attribute__((vector_size(4 * WIDTH)));
typedef int32_t Integers __attribute__((vector_size(4 * WIDTH)));
typedef uint8_t Bytes __attribute__((vector_size(WIDTH)));
typedef float AnywhereVector __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
typedef uint8_t AnywhereBytes __attribute__((vector_size(WIDTH), aligned(1), may_alias));

enum {
    LANES = 16, /* what rows are padded to: one vector or two */
    HALVES = LANES / WIDTH,
    KERNEL = 5,
    CHANNELS0 = 3, SIDE0 = 32,
    CHANNELS1 = 6, SIDE1 = 14, /* after pooling */
    CHANNELS2 = 16, SIDE2 = 5,
    PLANE0 = SIDE0 * SIDE0,
    IMAGE = CHANNELS0 * PLANE0,
    ROW1 = SIDE1 * CHANNELS1,
    HIDDEN = SIDE1 * ROW1 + LANES,             /* hidden[y][x][channel]; vectors reach a little beyond the last place */
    HIDDEN_CODES = CHANNELS1 * SIDE1 * LANES,  /* codes[channel][y][x] */
    PLACES2 = SIDE2 * SIDE2,
    FEATURES = CHANNELS2 * PLACES2,            /* features[channel][y][x], codes[y][x][channel] */
    WINDOW0 = KERNEL * CHANNELS0,              /* a kernel's row over interleaved channels */
    WINDOW1 = KERNEL * CHANNELS1,
    STRIDE1 = 2 * LANES,                       /* WINDOW1 rounded up */
    BIAS1 = CHANNELS1 * CHANNELS0 * KERNEL * KERNEL, /* places in a network's parameters, in the order of SHAPES */
    WEIGHT2 = BIAS1 + CHANNELS1,
    BIAS2 = WEIGHT2 + CHANNELS2 * CHANNELS1 * KERNEL * KERNEL,
};

/* Sizes that the caller must allocate: floats and bytes per image and network. */
const int64_t hidden_size = HIDDEN, hidden_codes_size = HIDDEN_CODES, features_size = FEATURES;

static inline Vector load(const float *from) { return *(const AnywhereVector *)from; }
static inline void store(float *to, Vector value) { *(AnywhereVector *)to = value; }
static inline void store_codes(uint8_t *to, Integers codes) {
    *(AnywhereBytes *)to = __builtin_convertvector(codes, Bytes);
}
static inline Vector choose(Integers mask, Vector a, Vector b) {
    return (Vector)((mask & (Integers)a) | (~mask & (Integers)b));
}
static inline float normalize(uint8_t pixel) { return pixel / 127.5f - 1; }

/* Max-pooling and ReLU of windows whose members are four vectors; the code says which member, the first if several. */
static inline Vector pool(const Vector members[4], Integers *codes) {
    Vector best = members[0];
    *codes = (Integers){0};
    for (int i = 1; i < 4; i++) {
        Integers better = (members[i] > best) | (members[i] != members[i]);
        best = choose(better, members[i], best);
        *codes = (better & i) | (~better & *codes);
    }
    return choose(best < 0, (Vector){0}, best);
}

/* planes[channel][y][parity][x / 2] of an image [channel][y][x] */
static void split_columns(const uint8_t *image, float *planes) {
    for (int row = 0; row < CHANNELS0 * SIDE0; row++, image += SIDE0, planes += SIDE0)
        for (int x = 0; x < SIDE0 / 2; x++) {
            planes[x] = normalize(image[2 * x]);
            planes[SIDE0 / 2 + x] = normalize(image[2 * x + 1]);
        }
}

/* pixels[y][x][channel] of an image [channel][y][x] */
static void interleave_channels(const uint8_t *image, float *pixels) {
    for (int place = 0; place < PLANE0; place++)
        for (int c = 0; c < CHANNELS0; c++) pixels[CHANNELS0 * place + c] = normalize(image[c * PLANE0 + place]);
}

static void first_forward(const float *planes, const float *parameters, float *hidden, uint8_t *codes) {
    for (int y = 0; y < SIDE1; y++) {
        float pooled[CHANNELS1][LANES];
        for (int turn = 0; turn < CHANNELS1 / PART * HALVES; turn++) {
            const int part = turn / HALVES * PART, half = turn % HALVES * WIDTH;
            Vector sums[PART][4]; /* rows 2y and 2y + 1, each even and odd columns */
            for (int c = 0; c < PART; c++)
                for (int i = 0; i < 4; i++) sums[c][i] = parameters[BIAS1 + part + c] - (Vector){0};
            for (int from = 0; from < CHANNELS0; from++)
#pragma GCC unroll 6
                for (int t = 0; t <= KERNEL; t++) {
                    const float *even = planes + (from * SIDE0 + 2 * y + t) * SIDE0 + half, *odd = even + SIDE0 / 2;
                    const Vector inputs[] = {load(even),    load(odd),      load(even + 1),
                                             load(odd + 1), load(even + 2), load(odd + 2)};
                    const float *weight = parameters + ((part * CHANNELS0 + from) * KERNEL + t) * KERNEL;
#pragma GCC unroll 3
                    for (int c = 0; c < PART; c++, weight += CHANNELS0 * KERNEL * KERNEL) {
#pragma GCC unroll 5
                        for (int k = 0; t < KERNEL && k < KERNEL; k++) {
                            sums[c][0] += weight[k] * inputs[k];
                            sums[c][1] += weight[k] * inputs[k + 1];
                        }
#pragma GCC unroll 5
                        for (int k = 0; t > 0 && k < KERNEL; k++) {
                            sums[c][2] += weight[k - KERNEL] * inputs[k];
                            sums[c][3] += weight[k - KERNEL] * inputs[k + 1];
                        }
                    }
                }
#pragma GCC unroll 3
            for (int c = 0; c < PART; c++) {
                Integers chosen;
                store(pooled[part + c] + half, pool(sums[c], &chosen));
                store_codes(codes + ((part + c) * SIDE1 + y) * LANES + half, chosen);
            }
        }
        for (int x = 0; x < SIDE1; x++)
            for (int c = 0; c < CHANNELS1; c++) hidden[(y * SIDE1 + x) * CHANNELS1 + c] = pooled[c][x];
    }
    memset(hidden + SIDE1 * ROW1, 0, LANES * sizeof(float));
}

/* weight[ky][kx * CHANNELS1 + from][to] */
static void second_forward(const float *hidden, const float *weight, const float *bias, float *features,
                           uint8_t *codes) {
    for (int turn = 0; turn < SIDE2 * 2 * SIDE2 / COLUMNS; turn++) {
        const int y = turn / (2 * SIDE2 / COLUMNS), left = turn % (2 * SIDE2 / COLUMNS) * COLUMNS;
        Vector sums[2][COLUMNS][HALVES]; /* rows 2y and 2y + 1 */
        for (int x = 0; x < COLUMNS; x++)
            for (int half = 0; half < HALVES; half++) sums[0][x][half] = sums[1][x][half] = load(bias + half * WIDTH);
#pragma GCC unroll 6
        for (int t = 0; t <= KERNEL; t++)
            for (int j = 0; j < WINDOW1; j++) {
                const float *input = hidden + (2 * y + t) * ROW1 + left * CHANNELS1 + j;
                const float *upper = weight + (t * WINDOW1 + j) * CHANNELS2, *lower = upper - WINDOW1 * CHANNELS2;
#pragma GCC unroll 10
                for (int x = 0; x < COLUMNS; x++)
#pragma GCC unroll 2
                    for (int half = 0; half < HALVES; half++) {
                        if (t < KERNEL) sums[0][x][half] += input[x * CHANNELS1] * load(upper + half * WIDTH);
                        if (t > 0) sums[1][x][half] += input[x * CHANNELS1] * load(lower + half * WIDTH);
                    }
            }
#pragma GCC unroll 5
        for (int x = 0; x < COLUMNS; x += 2)
#pragma GCC unroll 2
            for (int half = 0; half < HALVES; half++) {
                const Vector members[] = {sums[0][x][half], sums[0][x + 1][half],
                                          sums[1][x][half], sums[1][x + 1][half]};
                const int place = y * SIDE2 + (left + x) / 2, first = half * WIDTH;
                Integers chosen;
                const Vector pooled = pool(members, &chosen);
                for (int c = 0; c < WIDTH; c++) features[(first + c) * PLACES2 + place] = pooled[c];
                store_codes(codes + place * CHANNELS2 + first, chosen);
            }
    }
}

/* A place that gets a gradient: the corner of its kernel window in the input, as an offset. */
typedef struct {
    float gradient;
    int32_t offset;
} Active;

static void second_backward(const float *hidden, const float *weight, const float *features, const uint8_t *codes,
                            const float *features_gradient, float *weight_gradient, float *bias_gradient,
                            float *hidden_gradient) {
    for (int c = 0; c < CHANNELS2; c++) {
        Active active[PLACES2];
        int count = 0;
        for (int y = 0; y < SIDE2; y++)
            for (int x = 0; x < SIDE2; x++) {
                const int place = y * SIDE2 + x, code = codes[place * CHANNELS2 + c];
                const float gradient = features[place] <= 0 ? 0 : features_gradient[place];
                active[count] = (Active){gradient, (2 * y + code / 2) * ROW1 + (2 * x + code % 2) * CHANNELS1};
                count += gradient != 0;
                bias_gradient[c] += gradient;
            }
        for (int top = 0; top < KERNEL; top += ROWS) {
            Vector sums[ROWS][2 * HALVES], weights[ROWS][2 * HALVES];
#pragma GCC unroll 5
            for (int k = 0; k < ROWS; k++)
#pragma GCC unroll 4
                for (int part = 0; part < 2 * HALVES; part++) {
                    sums[k][part] = load(weight_gradient + (top + k) * STRIDE1 + part * WIDTH);
                    weights[k][part] = load(weight + (top + k) * STRIDE1 + part * WIDTH);
                }
            for (int i = 0; i < count; i++) {
                const float *input = hidden + active[i].offset + top * ROW1;
                float *input_gradient = hidden_gradient + active[i].offset + top * ROW1;
#pragma GCC unroll 5
                for (int k = 0; k < ROWS; k++)
#pragma GCC unroll 4
                    for (int part = 0; part < 2 * HALVES; part++) {
                        const int at = k * ROW1 + part * WIDTH;
                        sums[k][part] += active[i].gradient * load(input + at);
                        store(input_gradient + at, load(input_gradient + at) + active[i].gradient * weights[k][part]);
                    }
            }
#pragma GCC unroll 5
            for (int k = 0; k < ROWS; k++)
#pragma GCC unroll 4
                for (int part = 0; part < 2 * HALVES; part++)
                    store(weight_gradient + (top + k) * STRIDE1 + part * WIDTH, sums[k][part]);
        }
        features += PLACES2, features_gradient += PLACES2;
        weight += KERNEL * STRIDE1, weight_gradient += KERNEL * STRIDE1;
    }
}

static void first_backward(const float *pixels, const float *hidden, const uint8_t *codes, const float *hidden_gradient,
                           float *weight_gradient, float *bias_gradient) {
    for (int c = 0; c < CHANNELS1; c++, codes += SIDE1 * LANES, weight_gradient += KERNEL * LANES) {
        Active active[SIDE1 * SIDE1];
        int count = 0;
        for (int y = 0; y < SIDE1; y++)
            for (int x = 0; x < SIDE1; x++) {
                const int place = y * ROW1 + x * CHANNELS1 + c, code = codes[y * LANES + x];
                const float gradient = hidden[place] <= 0 ? 0 : hidden_gradient[place];
                active[count] = (Active){gradient, ((2 * y + code / 2) * SIDE0 + 2 * x + code % 2) * CHANNELS0};
                count += gradient != 0;
                bias_gradient[c] += gradient;
            }
        Vector sums[KERNEL][HALVES];
#pragma GCC unroll 5
        for (int k = 0; k < KERNEL; k++)
#pragma GCC unroll 2
            for (int half = 0; half < HALVES; half++) sums[k][half] = load(weight_gradient + k * LANES + half * WIDTH);
        for (int i = 0; i < count; i++) {
            const float *input = pixels + active[i].offset;
#pragma GCC unroll 5
            for (int k = 0; k < KERNEL; k++)
#pragma GCC unroll 2
                for (int half = 0; half < HALVES; half++)
                    sums[k][half] += active[i].gradient * load(input + k * SIDE0 * CHANNELS0 + half * WIDTH);
        }
#pragma GCC unroll 5
        for (int k = 0; k < KERNEL; k++)
#pragma GCC unroll 2
            for (int half = 0; half < HALVES; half++) store(weight_gradient + k * LANES + half * WIDTH, sums[k][half]);
    }
}

/* The image that a network sees; NULL if there is none of that number. */
static const uint8_t *find(const uint8_t *images, int64_t num_images, const int64_t *chosen, int64_t columns,
                           int64_t row, int64_t network) {
    const int64_t number = chosen[row * columns + (columns > 1 ? network : 0)];
    return number < 0 || number >= num_images ? NULL : images + number * IMAGE;
}

/* Features of a batch under every network.
 *
 * images [num_images][3][32][32]; chosen [batch][columns], columns being 1 or num_networks; parameters
 * [num_networks][stride]; hidden [num_networks][batch][hidden_size] and the codes likewise, for the gradient; features
 * [num_networks][batch][400]. Returns 0, or -1 if an image that was chosen does not exist.
 */
int convolutions_forward(const uint8_t *images, int64_t num_images, const int64_t *chosen, int64_t columns,
                         int64_t batch, int64_t num_networks, const float *parameters, int64_t stride, float *hidden,
                         uint8_t *hidden_codes, uint8_t *feature_codes, float *features) {
    float planes[IMAGE + LANES] = {0}, weight[KERNEL * WINDOW1 * CHANNELS2];
    for (int64_t network = 0; network < num_networks; network++, parameters += stride) {
        for (int to = 0; to < CHANNELS2; to++)
            for (int from = 0; from < CHANNELS1; from++)
                for (int k = 0; k < KERNEL * KERNEL; k++)
                    weight[(k / KERNEL * WINDOW1 + k % KERNEL * CHANNELS1 + from) * CHANNELS2 + to] =
                        parameters[WEIGHT2 + (to * CHANNELS1 + from) * KERNEL * KERNEL + k];
        for (int64_t row = 0; row < batch; row++) {
            const uint8_t *image = find(images, num_images, chosen, columns, row, network);
            if (!image) return -1;
            split_columns(image, planes);
            first_forward(planes, parameters, hidden, hidden_codes);
            second_forward(hidden, weight, parameters + BIAS2, features, feature_codes);
            hidden += HIDDEN, hidden_codes += HIDDEN_CODES, feature_codes += FEATURES, features += FEATURES;
        }
    }
    return 0;
}

/* Gradients of weights and biases, written to their places in gradients [num_networks][stride]; what
 * convolutions_forward has written, and features_gradient [num_networks][batch][400]. Returns as that does. */
int convolutions_backward(const uint8_t *images, int64_t num_images, const int64_t *chosen, int64_t columns,
                          int64_t batch, int64_t num_networks, const float *parameters, int64_t stride,
                          const float *hidden, const uint8_t *hidden_codes, const uint8_t *feature_codes,
                          const float *features, const float *features_gradient, float *gradients) {
    float pixels[IMAGE + LANES] = {0}, hidden_gradient[HIDDEN];
    for (int64_t network = 0; network < num_networks; network++, parameters += stride, gradients += stride) {
        /* [to][ky][kx * channels + from], so that a kernel's row is contiguous */
        float weight2[CHANNELS2 * KERNEL * STRIDE1] = {0}, gradient2[CHANNELS2 * KERNEL * STRIDE1] = {0};
        float gradient1[CHANNELS1 * KERNEL * LANES] = {0}, bias1[CHANNELS1] = {0}, bias2[CHANNELS2] = {0};
        for (int to = 0; to < CHANNELS2; to++)
            for (int from = 0; from < CHANNELS1; from++)
                for (int k = 0; k < KERNEL * KERNEL; k++)
                    weight2[(to * KERNEL + k / KERNEL) * STRIDE1 + k % KERNEL * CHANNELS1 + from] =
                        parameters[WEIGHT2 + (to * CHANNELS1 + from) * KERNEL * KERNEL + k];
        for (int64_t row = 0; row < batch; row++) {
            const uint8_t *image = find(images, num_images, chosen, columns, row, network);
            if (!image) return -1;
            memset(hidden_gradient, 0, sizeof hidden_gradient);
            second_backward(hidden, weight2, features, feature_codes, features_gradient, gradient2, bias2,
                            hidden_gradient);
            interleave_channels(image, pixels);
            first_backward(pixels, hidden, hidden_codes, hidden_gradient, gradient1, bias1);
            hidden += HIDDEN, hidden_codes += HIDDEN_CODES, feature_codes += FEATURES;
            features += FEATURES, features_gradient += FEATURES;
        }
        for (int to = 0; to < CHANNELS1; to++)
            for (int from = 0; from < CHANNELS0; from++)
                for (int k = 0; k < KERNEL * KERNEL; k++)
                    gradients[(to * CHANNELS0 + from) * KERNEL * KERNEL + k] =
                        gradient1[(to * KERNEL + k / KERNEL) * LANES + k % KERNEL * CHANNELS0 + from];
        for (int to = 0; to < CHANNELS2; to++)
            for (int from = 0; from < CHANNELS1; from++)
                for (int k = 0; k < KERNEL * KERNEL; k++)
                    gradients[WEIGHT2 + (to * CHANNELS1 + from) * KERNEL * KERNEL + k] =
                        gradient2[(to * KERNEL + k / KERNEL) * STRIDE1 + k % KERNEL * CHANNELS1 + from];
        memcpy(gradients + BIAS1, bias1, sizeof bias1);
        memcpy(gradients + BIAS2, bias2, sizeof bias2);
    }
    return 0;
}
