package hub

import (
	"fmt"
	"math"
)

const (
	// DefaultContext is the default length of the context, in tokens.
	DefaultContext = 8192
	// buffers is the approximate memory of an engine beside weights and context.
	buffers = 512 << 20
	// contextPerToken is the memory of one token of context in a model of
	// contextWeights weights with grouped attention: 32 layers of 8 heads of
	// 128, keys and values of 16 bits. It grows with about the square root of
	// the weights: 256 KiB at 32 billion, about 350 KiB at 70 billion.
	contextPerToken = 128 << 10
	contextWeights  = 8e9
)

// Needs returns the estimated memory in bytes to serve a file with a context of
// so many tokens (0 means [DefaultContext]): weights, keys and values, buffers.
// parameters is the number of weights; if it is 0, it is estimated from the
// size. The context of a model without grouped attention takes up to four times
// as much, that of one with a sliding window less.
func Needs(f File, parameters int64, context int) int64 {
	if context <= 0 {
		context = DefaultContext
	}
	weights := float64(parameters)
	if weights <= 0 {
		weights = float64(f.Size) * 8 / bitsPerWeight(f.Quantization)
	}
	cache := contextPerToken * math.Sqrt(weights/contextWeights) * float64(context)
	total := float64(max(f.Size, 0)) + cache + buffers
	if total >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(total)
}

// best returns the best file that fits and the memory that it needs, or the
// reason why none does. files are in the order of preference.
func best(files []File, parameters int64, q Query) (file File, needs int64, reason string) {
	if len(files) == 0 {
		return File{}, 0, "it has no GGUF file with a model in it"
	}
	smallest := int64(math.MaxInt64)
	low, split, unknown := 0, 0, 0
	for _, f := range files {
		switch n := bits(f.Quantization); {
		case q.Quantization != "" && f.Quantization != q.Quantization:
			continue
		case n == 0 && q.Quantization == "":
			unknown++
			continue
		case n < q.lowest() && q.Quantization == "":
			low++
			continue
		case f.Split() && !takesSplit(q.Engine):
			split++
			continue
		}
		needs := Needs(f, parameters, q.Context)
		if q.Memory <= 0 || needs <= q.Memory {
			return f, needs, ""
		}
		smallest = min(smallest, needs)
	}
	switch {
	case smallest < math.MaxInt64:
		return File{}, 0, fmt.Sprintf("needs %s, there are %s", gib(smallest), gib(q.Memory))
	case q.Quantization != "" && split == 0:
		return File{}, 0, "it has no " + q.Quantization
	case split > 0:
		return File{}, 0, "its files are split, which " + q.Engine + " doesn't load from the hub"
	case low > 0:
		return File{}, 0, fmt.Sprintf("it has nothing of %d bits or more", q.lowest())
	}
	return File{}, 0, "the names of its files tell no quantization"
}

func gib(bytes int64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30)) }
