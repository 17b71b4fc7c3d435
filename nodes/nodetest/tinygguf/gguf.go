package tinygguf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// alignment is that of tensor data, in bytes; 32 is the format's default.
const alignment = 32

// file is a GGUF v3 file in the making.
type file struct {
	entries uint64
	header  []byte
	tensors []tensor
	err     error
}

type tensor struct {
	name string
	data []float32 // nil: zeros
	dims []int
}

func (t tensor) bytes() int64 {
	n := int64(4)
	for _, d := range t.dims {
		n *= int64(d)
	}
	return n
}

// text appends a string as the format has it: its length, its bytes.
func text(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// meta adds one entry of metadata.
func (f *file) meta(key string, v any) {
	f.entries++
	b := text(f.header, key)
	switch v := v.(type) {
	case uint32:
		b = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, 4), v)
	case float32:
		b = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, 6), math.Float32bits(v))
	case bool:
		b = binary.LittleEndian.AppendUint32(b, 7)
		if v {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	case string:
		b = text(binary.LittleEndian.AppendUint32(b, 8), v)
	case []string:
		b = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, 9), 8), uint64(len(v)))
		for _, s := range v {
			b = text(b, s)
		}
	case []float32:
		b = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, 9), 6), uint64(len(v)))
		for _, x := range v {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
	case []int32:
		b = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, 9), 5), uint64(len(v)))
		for _, x := range v {
			b = binary.LittleEndian.AppendUint32(b, uint32(x))
		}
	default:
		f.err = errors.Join(f.err, fmt.Errorf("tinygguf: key %s: type %T", key, v))
	}
	f.header = b
}

// tensor adds a tensor of F32; nil data is zeros.
func (f *file) tensor(name string, data []float32, dims ...int) {
	f.tensors = append(f.tensors, tensor{name, data, dims})
}

// padding is how many bytes are missing to the alignment.
func padding(n int64) int64 { return (alignment - n%alignment) % alignment }

func (f *file) write(w io.Writer) error {
	if f.err != nil {
		return f.err
	}
	b := append([]byte("GGUF"), 3, 0, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(f.tensors)))
	b = binary.LittleEndian.AppendUint64(b, f.entries)
	b = append(b, f.header...)
	var off int64
	for _, t := range f.tensors {
		b = binary.LittleEndian.AppendUint32(text(b, t.name), uint32(len(t.dims)))
		for _, d := range t.dims {
			b = binary.LittleEndian.AppendUint64(b, uint64(d))
		}
		b = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(b, 0), uint64(off)) // type 0: F32
		off += t.bytes() + padding(t.bytes())
	}
	b = append(b, make([]byte, padding(int64(len(b))))...)
	bw := bufio.NewWriterSize(w, 1<<20)
	if _, err := bw.Write(b); err != nil {
		return err
	}
	zeros := make([]byte, 1<<16)
	for _, t := range f.tensors {
		n := t.bytes()
		for _, x := range t.data {
			var q [4]byte
			binary.LittleEndian.PutUint32(q[:], math.Float32bits(x))
			if _, err := bw.Write(q[:]); err != nil {
				return err
			}
			n -= 4
		}
		for n += padding(t.bytes()); n > 0; {
			c := min(n, int64(len(zeros)))
			if _, err := bw.Write(zeros[:c]); err != nil {
				return err
			}
			n -= c
		}
	}
	return bw.Flush()
}
