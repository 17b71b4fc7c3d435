package gateway

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// maxWindow is the greatest window of a zstd frame that is read, in bytes: what
// RFC 9659 has every HTTP client keep to.
const maxWindow = 8 << 20

// unpack returns a reader of a request's body without its content coding, which
// it removes from the header. The reader's length is not bounded.
func unpack(h http.Header, body io.Reader) (io.ReadCloser, error) {
	coding := strings.ToLower(strings.TrimSpace(strings.Join(h["Content-Encoding"], ",")))
	h.Del("Content-Encoding")
	switch coding {
	case "", "identity":
		return io.NopCloser(body), nil
	case "gzip", "x-gzip":
		r, err := gzip.NewReader(body)
		if err != nil {
			return nil, badRequest{http.StatusBadRequest, "the request is no gzip: " + err.Error()}
		}
		return r, nil
	case "zstd":
		r, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, badRequest{http.StatusBadRequest, "the request is no zstd: " + err.Error()}
		}
		return r.IOReadCloser(), nil
	}
	return nil, badRequest{http.StatusUnsupportedMediaType, fmt.Sprintf("the request is packed by %q; send it as it is, or by gzip or zstd", coding)}
}
