package hub

import (
	"regexp"
	"strings"
)

// quantizationName matches a quantization in a file's name, with its prefix:
// "Model-4bit-UD-Q4_K_XL".
var quantizationName = regexp.MustCompile(`(?i)(?:^|[-._/])((?:UD-)?(?:I?Q[1-9](?:_[0-9A-Z]{1,3})*|TQ[12]_0|MXFP4(?:_MOE)?|BF16|FP?16|FP?32))(?:$|[-._/])`)

// preference lists quantizations in the order of preference. More than eight bits
// gain no quality that could be measured and cost speed, so they come last.
var preference = []string{
	"Q8_0", "Q8_K_XL", "Q6_K_XL", "Q6_K_L", "Q6_K", "Q5_K_XL", "Q5_K_L", "Q5_K_M", "Q5_K_S", "Q5_1", "Q5_0",
	"MXFP4", "MXFP4_MOE", "Q4_K_XL", "Q4_K_L", "Q4_K_M", "Q4_K_S", "IQ4_NL", "IQ4_XS", "Q4_1", "Q4_0",
	"Q3_K_XL", "Q3_K_L", "Q3_K_M", "IQ3_M", "IQ3_S", "Q3_K_S", "IQ3_XS", "IQ3_XXS",
	"Q2_K_XL", "Q2_K_L", "Q2_K", "IQ2_M", "IQ2_S", "Q2_K_S", "IQ2_XS", "IQ2_XXS", "TQ2_0", "IQ1_M", "IQ1_S", "TQ1_0",
	"BF16", "F16", "F32",
}

var preferred = func() map[string]int {
	m := make(map[string]int, len(preference))
	for i, q := range preference {
		m[q] = i
	}
	return m
}()

// Quantization returns the quantization in a file's name, or else in its
// folder's, in capitals; "" if there is none.
func Quantization(path string) string {
	path = strings.TrimSuffix(strings.TrimSuffix(path, ".gguf"), ".GGUF")
	if whole, _, _, ok := splitPart(path); ok {
		path = whole
	}
	if at := strings.LastIndexByte(path, '/'); at >= 0 {
		if q := lastQuantization(path[at+1:]); q != "" {
			return q
		}
	}
	return lastQuantization(path)
}

// lastQuantization returns the last quantization in a name.
func lastQuantization(name string) string {
	last := ""
	// Two may share a separator, which FindAll would use up.
	for from := 0; from < len(name); {
		at := quantizationName.FindStringSubmatchIndex(name[from:])
		if at == nil {
			break
		}
		last = name[from+at[2] : from+at[3]]
		from += at[3]
	}
	last = strings.ToUpper(last)
	switch last {
	case "FP16":
		return "F16"
	case "FP32":
		return "F32"
	}
	return last
}

// bits returns the nominal bits of a weight: 4 for "Q4_K_M", 0 if unknown.
func bits(quantization string) int {
	q := strings.TrimPrefix(quantization, "UD-")
	switch q {
	case "BF16", "F16":
		return 16
	case "F32":
		return 32
	}
	if strings.HasPrefix(q, "MXFP4") {
		return 4
	}
	if at := strings.IndexByte(q, 'Q'); at >= 0 && at+1 < len(q) && q[at+1] >= '1' && q[at+1] <= '9' {
		return int(q[at+1] - '0')
	}
	return 0
}

// rank returns the place of a quantization in the order of preference. One that is
// not listed comes after the listed ones with as many bits.
func rank(quantization string) int {
	q := strings.TrimPrefix(quantization, "UD-")
	if at, ok := preferred[q]; ok {
		return 10 * at
	}
	last := -1
	for i, known := range preference {
		if bits(known) == bits(q) {
			last = i
		}
	}
	if last < 0 {
		return 10 * len(preference)
	}
	return 10*last + 5
}

// bitsPerWeight returns the approximate bits of a weight in a file, scales
// included.
func bitsPerWeight(quantization string) float64 {
	if n := bits(quantization); n > 0 && n < 16 {
		return float64(n) + 0.6
	} else if n >= 16 {
		return float64(n)
	}
	return 5
}
