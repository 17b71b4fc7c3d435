package codec

import "bytes"

// ParseEvent returns the name and the data of a server-sent event, as the WHATWG
// specifies them. The data of an event with one data line is not copied.
func ParseEvent(frame []byte) (name, data []byte) {
	for first := true; len(frame) > 0; {
		line := frame
		if n := bytes.IndexByte(frame, '\n'); n >= 0 {
			line, frame = frame[:n], frame[n+1:]
		} else {
			frame = nil
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			name = value
		case "data":
			if first {
				data, first = value, false
			} else {
				data = append(append(data[:len(data):len(data)], '\n'), value...)
			}
		}
	}
	return name, data
}

// AppendEvent appends an event of one data line. The name may be empty.
func AppendEvent(to []byte, name string, data []byte) []byte {
	if name != "" {
		to = append(append(append(to, "event: "...), name...), '\n')
	}
	return append(append(append(to, "data: "...), data...), "\n\n"...)
}

// IsEvent reports whether a frame without data is a part of a stream of events,
// such as a comment.
func IsEvent(frame []byte) bool {
	for line := range bytes.SplitSeq(frame, []byte("\n")) {
		field, _, ok := bytes.Cut(line, []byte(":"))
		switch string(field) {
		case "", "event", "id", "retry", "data":
			if ok || len(bytes.TrimSpace(line)) == 0 {
				continue
			}
		}
		return false
	}
	return true
}
