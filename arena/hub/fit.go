package hub

import (
	"fmt"
	"math"
)

const (
	// DefaultContext is the context that a model is to be served with, in
	// tokens.
	DefaultContext = 8192
	// buffers is what an engine takes beside weights and context, about.
	buffers = 512 << 20
	// contextPerToken is what a token of context takes in a model of
	// eight billion weights with grouped attention: 32 layers of 8 heads of 128,
	// keys and values, 16 bits each. Beyond that it grows about with the root:
	// at 32 billion 256 KiB, at 70 billion about 350.
	contextPerToken = 128 << 10
	contextWeights  = 8e9
)

// Needs estimates the memory in bytes that a file takes when it is served with a
// context of so many tokens: weights, keys and values, buffers. parameters is
// the number of weights, 0 where unknown; then it follows from the size. Models
// without grouped attention take up to four times as much for their context,
// those with a sliding window less.
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

// best returns the best file that fits, with what it needs. The reason is a
// sentence where none does.
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
