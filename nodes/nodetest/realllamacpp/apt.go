package realllamacpp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// apt is an apt of its own: its sources are the machine's, with the suite changed,
// and nothing of it touches the machine's packages. It checks signatures with the
// machine's keys.
type apt struct{ options []string }

// newApt lays the folders of an apt below dir.
func newApt(dir string) (*apt, error) {
	var lines []string
	for _, name := range append(glob("/etc/apt/sources.list.d", "*.sources"), append(glob("/etc/apt/sources.list.d", "*.list"), "/etc/apt/sources.list")...) {
		b, err := os.ReadFile(name)
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		}
		if strings.HasSuffix(name, ".sources") {
			lines = append(lines, fromStanzas(string(b))...)
		} else {
			lines = append(lines, fromLines(string(b))...)
		}
	}
	if len(lines) == 0 {
		return nil, errors.New("the machine's apt sources name no archive of Debian's")
	}
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	list := filepath.Join(dir, "sources.list")
	if err := os.WriteFile(list, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	return &apt{[]string{
		"-o", "Dir::Etc::sourcelist=" + list, "-o", "Dir::Etc::sourceparts=/dev/null",
		"-o", "Dir::State=" + filepath.Join(dir, "state"), "-o", "Dir::Cache=" + filepath.Join(dir, "cache"),
		"-o", "Dir::State::status=/dev/null", "-o", "Acquire::Languages=none", "-o", "APT::Sandbox::User=root",
		"-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
	}}, nil
}

// sourceLine returns the lines of an archive of Debian's for the suites. Its
// mirror may be out of date: a version is wanted, not the newest one.
func sourceLine(uri, keyring string) (lines []string) {
	if !strings.HasSuffix(strings.TrimRight(uri, "/"), "/debian") {
		return nil // updates and security have other paths, and other archives others
	}
	options := "check-valid-until=no"
	if keyring != "" {
		options += " signed-by=" + keyring
	}
	for _, suite := range suites {
		lines = append(lines, fmt.Sprintf("deb [%s] %s %s main", options, uri, suite))
	}
	return lines
}

// fromStanzas reads sources of the format deb822 (sources.list(5)).
func fromStanzas(text string) (lines []string) {
	for stanza := range strings.SplitSeq(text, "\n\n") {
		field := map[string]string{}
		for line := range strings.Lines(stanza) {
			if name, value, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, " ") {
				field[strings.ToLower(name)] = strings.TrimSpace(value)
			}
		}
		if field["enabled"] == "no" {
			continue
		}
		for uri := range strings.FieldsSeq(field["uris"]) {
			lines = append(lines, sourceLine(uri, field["signed-by"])...)
		}
	}
	return lines
}

// fromLines reads sources of the one-line format (sources.list(5)).
func fromLines(text string) (lines []string) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !ok {
			continue
		}
		keyring := ""
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			options, after, ok := strings.Cut(rest[1:], "]")
			if !ok {
				continue
			}
			for option := range strings.FieldsSeq(options) {
				if value, ok := strings.CutPrefix(option, "signed-by="); ok {
					keyring = value
				}
			}
			rest = after
		}
		if fields := strings.Fields(rest); len(fields) > 0 {
			lines = append(lines, sourceLine(fields[0], keyring)...)
		}
	}
	return lines
}

func (a *apt) update(ctx context.Context) error {
	return run(ctx, "/", "apt-get", append(a.options, "-qq", "update")...)
}

// version returns the newest version of a package.
func (a *apt) version(ctx context.Context, name string) (string, error) {
	out, err := output(ctx, "/", "apt-cache", append(a.options, "policy", name)...)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(out) {
		if version, ok := strings.CutPrefix(strings.TrimSpace(line), "Candidate: "); ok && version != "(none)" {
			return version, nil
		}
	}
	return "", fmt.Errorf("the mirror has no package %s in %s", name, strings.Join(suites, " or "))
}

// download downloads packages to dir.
func (a *apt) download(ctx context.Context, dir string, names []string) error {
	return run(ctx, dir, "apt-get", append(append(a.options, "-qq", "download"), names...)...)
}
