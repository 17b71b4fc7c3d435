// Package version returns the version of the running build.
package version

import (
	"runtime/debug"
	"strings"
)

// String returns the module's version, or the commit of a build from a checkout.
func String() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return of(info)
}

func of(info *debug.BuildInfo) string {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	version := info.Main.Version
	if version == "" {
		version = "(devel)"
	}
	commit := settings["vcs.revision"]
	if version != "(devel)" || commit == "" {
		return version
	}
	if len(commit) > 12 {
		commit = commit[:12]
	}
	parts := []string{"commit " + commit}
	if day, _, ok := strings.Cut(settings["vcs.time"], "T"); ok {
		parts = append(parts, day)
	}
	if settings["vcs.modified"] == "true" {
		parts = append(parts, "with changes")
	}
	return strings.Join(parts, ", ")
}

// Long returns String with the toolchain: "v1.2.0, go1.26.0".
func Long() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return of(info) + ", " + info.GoVersion
	}
	return String()
}
