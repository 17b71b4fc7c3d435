// A stand-in for miniaudio, written for this project. Module archives carry no
// folder named vendor, so the real header is missing; only audio input calls
// it, and no test has any. Decoding always fails.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef int32_t ma_result;
typedef uint32_t ma_uint32;
typedef uint64_t ma_uint64;
typedef enum { ma_format_f32 = 5 } ma_format;
typedef struct { int unused; } ma_decoder;
typedef struct { int unused; } ma_decoder_config;

enum { MA_SUCCESS = 0, MA_NOT_IMPLEMENTED = -29 };

static inline ma_decoder_config ma_decoder_config_init(ma_format f, ma_uint32 channels, ma_uint32 rate) {
	(void)f; (void)channels; (void)rate;
	ma_decoder_config c = {0};
	return c;
}
static inline ma_result ma_decoder_init_memory(const void *data, size_t size, const ma_decoder_config *c, ma_decoder *d) {
	(void)data; (void)size; (void)c; (void)d;
	return MA_NOT_IMPLEMENTED;
}
static inline ma_result ma_decoder_get_length_in_pcm_frames(ma_decoder *d, ma_uint64 *frames) {
	(void)d; (void)frames;
	return MA_NOT_IMPLEMENTED;
}
static inline ma_result ma_decoder_read_pcm_frames(ma_decoder *d, void *out, ma_uint64 want, ma_uint64 *got) {
	(void)d; (void)out; (void)want; (void)got;
	return MA_NOT_IMPLEMENTED;
}
static inline ma_result ma_decoder_uninit(ma_decoder *d) {
	(void)d;
	return MA_SUCCESS;
}
