package config

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/turbone/jarvis/nodes"
)

// secret reads a key. One that is written out is taken, with a warning.
func (v value) secret() (nodes.Secret, bool) {
	s, ok := v.scalar("a key", "write ${NAME}, the environment variable that holds it")
	if !ok {
		return nodes.Secret{}, false
	}
	if !s.fromEnv {
		v.r.warn(v.at, v.key, "a secret is written into the file; better ${NAME}, the environment variable that holds it")
	}
	return v.usable(s.text, "the key")
}

// secretFile reads a key from the file that v names.
func (v value) secretFile() (nodes.Secret, bool) {
	path, ok := v.path()
	if !ok {
		return nodes.Secret{}, false
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		v.mistake(fmt.Sprintf("%s is no file", path), "name the file that holds the key")
		return nodes.Secret{}, false
	}
	if err == nil && info.Size() > 64<<10 {
		v.mistake(fmt.Sprintf("%s is too large for a key", path), "name the file that holds the key and nothing else")
		return nodes.Secret{}, false
	}
	content, err := os.ReadFile(path)
	if err != nil {
		v.mistake(fmt.Sprintf("the file of the key can't be read: %v", err), "make it readable, or correct the path")
		return nodes.Secret{}, false
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		v.r.warn(v.at, v.key, fmt.Sprintf("others can read %s; better chmod 600", path))
	}
	return v.usable(string(content), path)
}

// usable checks that a key can go into a header.
func (v value) usable(key, what string) (nodes.Secret, bool) {
	key = strings.TrimSpace(key)
	if key == "" {
		v.mistake(what+" is empty", "put the key there, or remove this line")
		return nodes.Secret{}, false
	}
	for _, c := range key {
		if c < ' ' || c > '~' {
			v.mistake(what+" holds a character that no key has: a line break or one beyond ASCII", "put the key there alone, in one line")
			return nodes.Secret{}, false
		}
	}
	return nodes.NewSecret(key), true
}

// secret reads name or name_file.
func (m mapping) secret(name string) nodes.Secret {
	direct, given := m.get(name)
	file, fileGiven := m.get(name + "_file")
	switch {
	case given && fileGiven:
		m.r.mistake(m.keys[name+"_file"], m.key, fmt.Sprintf("both %s and %s_file", name, name), "keep one of the two")
	case given:
		return orZero(direct.secret())
	case fileGiven:
		return orZero(file.secretFile())
	}
	if _, written := m.keys[name]; written && !given {
		m.r.mistake(m.keys[name], m.key+"."+name, "empty", "write ${NAME}, or remove the line")
	}
	return nodes.Secret{}
}
