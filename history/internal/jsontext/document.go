package jsontext

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Document is the text of a file that holds one JSON object, with the places of
// its values. Its methods return the edited text and leave the document as it is.
type Document struct {
	Text []byte
	// Style is the layout of the file.
	Style  Style
	object Span
	places []place
}

// Parse finds the places in a text. A byte order mark before the object is kept.
// The document aliases text. The error is an [*Error].
func Parse(text []byte) (*Document, error) {
	places, object, err := scan(text, true)
	if err != nil {
		return nil, err
	}
	d := &Document{Text: text, object: object, places: places}
	d.Style = d.layout()
	return d, nil
}

// Keys returns the keys of the object in their order, duplicates included.
func (d *Document) Keys() []string {
	keys := make([]string, len(d.places))
	for i, p := range d.places {
		keys[i] = p.key
	}
	return keys
}

// Member returns the place of a key's value, of several the last, and the places
// of its elements, which are nil where the value is no array. ok is false where
// the object has no such key.
func (d *Document) Member(key string) (value Span, elements []Span, ok bool) {
	for _, p := range slices.Backward(d.places) {
		if p.key == key {
			return p.value, p.elements, true
		}
	}
	return Span{}, nil, false
}

// At returns the text of a value.
func (d *Document) At(value Span) json.RawMessage { return d.Text[value.From:value.To:value.To] }

// Replace returns the text with another value in the place of one.
func (d *Document) Replace(at Span, value []byte) []byte {
	return slices.Concat(d.Text[:at.From], value, d.Text[at.To:])
}

// Set returns the text with a member set, which comes last if it is new.
func (d *Document) Set(key string, value []byte) ([]byte, error) {
	if at, _, ok := d.Member(key); ok {
		return d.Replace(at, value), nil
	}
	name, err := Encode(key)
	if err != nil {
		return nil, err
	}
	member := string(name) + ": " + string(value)
	if len(d.places) == 0 {
		return d.Replace(Span{d.object.From + 1, d.object.To - 1}, []byte(d.Style.line(1)+member+d.Style.line(0))), nil
	}
	last := d.places[len(d.places)-1].value.To
	return d.Replace(Span{last, last}, []byte(d.Style.separator(d.Style.line(1))+member)), nil
}

// SetElements returns the text with elements of an array member replaced, by
// index, and others added at its end, all in one pass. The array is made where
// the key is missing or its value isn't an array.
func (d *Document) SetElements(key string, replaced map[int][]byte, added [][]byte) ([]byte, error) {
	array, elements, _ := d.Member(key)
	if len(elements) == 0 {
		if len(added) == 0 {
			return d.Text, nil
		}
		return d.Set(key, d.Style.FormatArray(added, 1))
	}
	var out bytes.Buffer
	from := 0
	for i, at := range elements {
		if value, ok := replaced[i]; ok {
			out.Write(d.Text[from:at.From])
			out.Write(value)
			from = at.To
		}
	}
	last := elements[len(elements)-1].To
	out.Write(d.Text[from:last])
	separator := d.Style.separator(string(d.Text[array.From+1 : elements[0].From]))
	for _, value := range added {
		out.WriteString(separator)
		out.Write(value)
	}
	out.Write(d.Text[last:])
	return out.Bytes(), nil
}

// DeleteElements returns the text without some elements of an array member, by
// index, each with the separator before it.
func (d *Document) DeleteElements(key string, deleted map[int]bool) []byte {
	_, elements, _ := d.Member(key)
	if len(elements) == 0 || len(deleted) == 0 {
		return d.Text
	}
	var out bytes.Buffer
	out.Write(d.Text[:elements[0].From])
	first := true
	for i, at := range elements {
		if deleted[i] {
			continue
		}
		if !first {
			out.Write(d.Text[elements[i-1].To:at.From])
		}
		first = false
		out.Write(d.At(at))
	}
	out.Write(d.Text[elements[len(elements)-1].To:])
	return out.Bytes()
}

// layout reads the style off the white space before the first member.
func (d *Document) layout() Style {
	if len(d.places) == 0 {
		return Style{"\n", "  "}
	}
	after := d.Text[d.object.From+1 : d.object.To]
	space := string(after[:len(after)-len(bytes.TrimLeft(after, " \t\r\n"))])
	cut := strings.LastIndexByte(space, '\n')
	switch {
	case cut < 0:
		return Style{}
	case cut > 0 && space[cut-1] == '\r':
		return Style{"\r\n", space[cut+1:]}
	}
	return Style{"\n", space[cut+1:]}
}
