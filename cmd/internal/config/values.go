package config

import (
	"fmt"
	"math"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml/ast"
)

// scalar is one value as it is written and as it is meant.
type scalar struct {
	value
	// written is the file's own text, for quoting; never a variable's content.
	written string
	// text is written with its variables filled in.
	text string
	// fromEnv: variables were filled in.
	fromEnv bool
}

// raw returns the text of a single value without filling in variables.
func (v value) raw(wanted, fix string) (string, bool) {
	n := v.resolved()
	switch x := n.(type) {
	case *ast.StringNode:
		return unmark.Replace(x.Value), true
	case *ast.LiteralNode:
		return unmark.Replace(strings.TrimRight(x.Value.Value, "\n")), true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return strings.TrimSpace(n.GetToken().Value), true
	}
	v.wrongType(n, wanted, fix)
	return "", false
}

// scalar reads a single value and fills in its variables.
func (v value) scalar(wanted, fix string) (scalar, bool) {
	written, ok := v.raw(wanted, fix)
	if !ok {
		return scalar{}, false
	}
	s := scalar{value: v, written: written}
	s.text, s.fromEnv, ok = v.expand(written)
	return s, ok
}

var variable = regexp.MustCompile(`\$?\$\{([^{}]*)\}`)
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand fills in ${NAME} and ${NAME:-otherwise}. $${NAME} stays ${NAME}.
func (v value) expand(written string) (text string, fromEnv, ok bool) {
	ok = true
	text = variable.ReplaceAllStringFunc(written, func(match string) string {
		if strings.HasPrefix(match, "$$") {
			return match[1:]
		}
		fromEnv = true
		name, otherwise, hasDefault := strings.Cut(match[2:len(match)-1], ":-")
		if !variableName.MatchString(name) {
			v.mistake("${…} holds no name of a variable", "write ${NAME}; a literal one is $${…}")
			ok = false
			return ""
		}
		content, set := v.r.env(name)
		switch {
		case content != "":
			return content
		case hasDefault:
			return otherwise
		case set:
			v.mistake(fmt.Sprintf("the environment variable %s is empty", name), "set it, or remove the key")
		default:
			v.mistake(fmt.Sprintf("the environment variable %s is not set", name), fmt.Sprintf("set it before the start: export %s=…", name))
		}
		ok = false
		return ""
	})
	return text, fromEnv, ok
}

// words reads a text of at least one character.
func (v value) words(wanted string) (string, bool) {
	s, ok := v.scalar(wanted, "write it in one line")
	if !ok {
		return "", false
	}
	switch v.resolved().(type) {
	case *ast.BoolNode:
		v.mistake("true or false where "+wanted+" belongs", "put it in quotes if it is meant")
		return "", false
	}
	text := strings.TrimSpace(s.text)
	if text == "" {
		v.mistake("empty", "give "+wanted)
		return "", false
	}
	if i := strings.IndexFunc(text, unicode.IsControl); i >= 0 {
		v.mistake("it holds a control character or a line break", "give "+wanted+" in one line")
		return "", false
	}
	return text, true
}

// prompt reads a text that is taken as it is: no variables.
func (v value) prompt() (string, bool) {
	text, ok := v.raw("a text", "write it in one line, or after `|`")
	if ok && strings.TrimSpace(text) == "" {
		v.mistake("empty", "give a text")
		return "", false
	}
	return text, ok
}

// duration reads "5s"; least is the smallest allowed.
func (v value) duration(least time.Duration) (time.Duration, bool) {
	const fix = "write a number and a unit, such as 500ms, 5s, 2m or 1h30m"
	s, ok := v.scalar("a duration", fix)
	if !ok {
		return 0, false
	}
	text := strings.ReplaceAll(strings.TrimSpace(s.text), " ", "")
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		if _, number := strconv.ParseFloat(text, 64); number == nil {
			v.mistake(fmt.Sprintf("%s has no unit", clip(s.written)), fmt.Sprintf("write %ss for seconds, %sm for minutes", clip(s.written), clip(s.written)))
			return 0, false
		}
		v.mistake(fmt.Sprintf("%q is no duration", clip(s.written)), fix)
		return 0, false
	case d < 0:
		v.mistake(fmt.Sprintf("%s is negative", clip(s.written)), "give a duration from 0 on")
		return 0, false
	case d < least:
		v.mistake(fmt.Sprintf("%s is too short", clip(s.written)), fmt.Sprintf("give at least %s", least))
		return 0, false
	}
	return d, true
}

var sizePattern = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)$`)

var sizeUnits = map[string]float64{
	"b": 1, "k": 1 << 10, "kib": 1 << 10, "m": 1 << 20, "mib": 1 << 20, "g": 1 << 30, "gib": 1 << 30, "t": 1 << 40, "tib": 1 << 40,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
}

// size reads "24GiB" as bytes, at least one.
func (v value) size() (int64, bool) {
	const fix = "write a number and a unit, such as 512MiB, 24GiB or 24GB"
	s, ok := v.scalar("a size", fix)
	if !ok {
		return 0, false
	}
	text := strings.TrimSpace(s.text)
	match := sizePattern.FindStringSubmatch(text)
	var unit float64
	if match != nil {
		unit = sizeUnits[strings.ToLower(match[2])]
	}
	switch {
	case match != nil && match[2] == "":
		v.mistake(fmt.Sprintf("%s has no unit", clip(s.written)), fmt.Sprintf("write %sGiB, or the unit that is meant", clip(s.written)))
		return 0, false
	case unit == 0 && strings.HasPrefix(text, "-"):
		v.mistake(fmt.Sprintf("%s is negative", clip(s.written)), fix)
		return 0, false
	case unit == 0:
		v.mistake(fmt.Sprintf("%q is no size", clip(s.written)), fix)
		return 0, false
	}
	f, err := strconv.ParseFloat(match[1], 64)
	bytes := f * unit
	if err != nil || bytes >= math.MaxInt64 || bytes < 1 {
		v.mistake(fmt.Sprintf("%q is no possible size", clip(s.written)), fix)
		return 0, false
	}
	return int64(bytes), true
}

// integer reads a whole number of at least least.
func (v value) integer(least int) (int, bool) {
	s, ok := v.scalar("a whole number", "write a number such as 3")
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(strings.ReplaceAll(strings.TrimSpace(s.text), "_", ""))
	switch {
	case err != nil:
		v.mistake(fmt.Sprintf("%q is no whole number", v.quotable(s.written)), "write a number such as 3")
		return 0, false
	case n < least:
		v.mistake(fmt.Sprintf("%d is too small", n), fmt.Sprintf("give at least %d", least))
		return 0, false
	}
	return n, true
}

// share reads a number above 0 and up to 1.
func (v value) share() (float64, bool) {
	const fix = "write a share above 0 and up to 1, such as 0.66"
	s, ok := v.scalar("a number", fix)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(s.text), 64)
	if err != nil || math.IsNaN(f) {
		v.mistake(fmt.Sprintf("%q is no number", clip(s.written)), fix)
		return 0, false
	}
	if f <= 0 || f > 1 {
		if f >= 2 && f <= 100 {
			v.mistake(fmt.Sprintf("%s is outside of 0 to 1", clip(s.written)), fmt.Sprintf("%g %% is %g", f, f/100))
			return 0, false
		}
		v.mistake(fmt.Sprintf("%s is outside of 0 to 1", clip(s.written)), fix)
		return 0, false
	}
	return f, true
}

// figure takes a number from 0 up to most.
func (v value) figure(most float64) (float64, bool) {
	fix := fmt.Sprintf("write a number from 0 to %g, such as 0.2", most)
	s, ok := v.scalar("a number", fix)
	if !ok {
		return 0, false
	}
	parsed, err := strconv.ParseFloat(s.text, 64)
	if err != nil || math.IsNaN(parsed) || parsed < 0 || parsed > most {
		v.mistake(fmt.Sprintf("%s is no number from 0 to %g", clip(s.written), most), fix)
		return 0, false
	}
	return parsed, true
}

// boolean reads true or false.
func (v value) boolean() (is, ok bool) {
	s, ok := v.scalar("true or false", "write true or false")
	if !ok {
		return false, false
	}
	switch s.text {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	v.mistake(fmt.Sprintf("%q is neither true nor false", clip(s.written)), "write true or false")
	return false, false
}

// oneOf reads one of some words.
func (v value) oneOf(names []string) (string, bool) {
	text, ok := v.words("one of " + strings.Join(names, ", "))
	if !ok {
		return "", false
	}
	for _, name := range names {
		if text == name {
			return name, true
		}
	}
	v.mistake(fmt.Sprintf("unknown: %q", v.quotable(text)), didYouMean(text, names))
	return "", false
}

// quotable is what of a value may be quoted: the file's own text, never a
// variable's content, and nothing where any text may be a key.
func (v value) quotable(text string) string {
	if v.r.quiet {
		return "…"
	}
	if written, ok := v.raw("", ""); ok {
		return clip(written)
	}
	return clip(text)
}

// address reads a server's base address.
func (v value) address(example string) (string, bool) {
	text, ok := v.words("an address such as " + example)
	if !ok {
		return "", false
	}
	shown := v.quotable(text)
	if strings.Contains(text, "@") {
		shown = "the address" // a password may stand before the @
	}
	u, err := url.Parse(text)
	switch {
	case err != nil && !strings.Contains(text, "://"), err == nil && (u.Scheme != "http" && u.Scheme != "https"):
		v.mistake(fmt.Sprintf("%s does not begin with http:// or https://", shown), "write it as "+example)
	case err != nil:
		v.mistake(fmt.Sprintf("%s is no address", shown), "write it as "+example)
	case u.User != nil:
		v.mistake("a user and a password do not belong into an address", "give the key as api_key: ${NAME}")
	case u.Hostname() == "":
		v.mistake(fmt.Sprintf("%s names no host", shown), "write it as "+example)
	case !validPort(u.Port()):
		v.mistake(fmt.Sprintf("%s has no possible port", shown), "ports go from 1 to 65535")
	case u.RawQuery != "" || u.Fragment != "":
		v.mistake("a ? or # does not belong into a server's address", "write it as "+example)
	default:
		return strings.TrimRight(text, "/"), true
	}
	return "", false
}

func validPort(p string) bool {
	if p == "" {
		return true
	}
	n, err := strconv.Atoi(p)
	return err == nil && n > 0 && n < 65536
}

// listen reads host:port; loopback tells whether only this machine reaches it.
func (v value) listen(example string) (address string, loopback, ok bool) {
	text, ok := v.words("an address such as " + example)
	if !ok {
		return "", false, false
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || port == "" || !validPort(port) {
		v.mistake(fmt.Sprintf("%q is no address to listen on", v.quotable(text)), "write host:port, such as "+example+", or off")
		return "", false, false
	}
	ip := net.ParseIP(host)
	return text, host == "localhost" || ip != nil && ip.IsLoopback(), true
}

// path reads a file's name; relative ones start at the config file.
func (v value) path() (string, bool) {
	text, ok := v.words("a path")
	if !ok {
		return "", false
	}
	return v.r.resolve(text), true
}

func (r *reader) resolve(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(r.dir, path)
}

// setting reads a load setting: a number, true or false, or a text.
func (v value) setting() (any, bool) {
	n := v.resolved()
	switch x := n.(type) {
	case *ast.BoolNode:
		return x.Value, true
	case *ast.IntegerNode:
		switch i := x.Value.(type) {
		case int64:
			return int(i), true
		case uint64:
			if i <= math.MaxInt {
				return int(i), true
			}
		}
		v.mistake("the number is too large", "give a smaller one")
		return nil, false
	case *ast.FloatNode:
		return x.Value, true
	case *ast.StringNode, *ast.LiteralNode:
		s, ok := v.scalar("a setting", "")
		return s.text, ok
	}
	v.wrongType(n, "a number, true, false or a text", "load settings are single values")
	return nil, false
}
