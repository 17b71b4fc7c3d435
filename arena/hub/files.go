package hub

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// File is a model of a repository: one GGUF file, or all parts of a split one.
type File struct {
	// Quantization is the one in the file's name: "Q4_K_M", "UD-Q4_K_XL"; "" if
	// the name has none.
	Quantization string
	// Paths lists the parts in order.
	Paths []string
	// Size is the size of all parts, in bytes.
	Size int64
}

// Split reports whether the file has several parts.
func (f File) Split() bool { return len(f.Paths) > 1 }

// treeEntry is an entry of a repository's tree.
type treeEntry struct {
	Type string `json:"type"`
	Path string `json:"path"`
	Size int64  `json:"size"`
	LFS  *struct {
		Size int64 `json:"size"`
	} `json:"lfs"`
}

// maxTreePages is the greatest number of pages read of a repository's tree. A page
// has up to a thousand entries.
const maxTreePages = 10

// Files returns the models in a repository's main branch, the best quantization
// first. Projectors of vision models, importance matrices, and split files that
// lack a part are left out. The error is an [*Error], or wraps the cause of ctx's
// end.
func (c *Client) Files(ctx context.Context, repository string) ([]File, error) {
	if err := checkRepository(repository); err != nil {
		return nil, err
	}
	r := request{
		action: "files of " + repository, base: c.hub, token: c.token, tokenName: c.tokenName,
		path: append([]string{"api", "models"}, append(strings.Split(repository, "/"), "tree", "main")...),
	}
	r.query = url.Values{"recursive": {"true"}}
	var all []treeEntry
	for range maxTreePages {
		var page []treeEntry
		next, err := c.get(ctx, r, &page)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if next == nil || len(page) == 0 {
			break
		}
		r.query = next
	}
	return group(all), nil
}

var partName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})$`)

// splitPart splits a name such as "Model-Q8_0-00002-of-00003".
func splitPart(name string) (whole string, part, of int, ok bool) {
	m := partName.FindStringSubmatch(name)
	if m == nil {
		return "", 0, 0, false
	}
	part, _ = strconv.Atoi(m[2]) // five digits
	of, _ = strconv.Atoi(m[3])
	return m[1], part, of, true
}

// group returns the models among a tree's entries.
func group(entries []treeEntry) []File {
	type key struct {
		whole string
		of    int
	}
	parts := map[key]map[int]treeEntry{}
	for _, e := range entries {
		name, ok := strings.CutSuffix(strings.ToLower(e.Path), ".gguf")
		if !ok || e.Type != "file" || aside(name) {
			continue
		}
		name = e.Path[:len(name)]
		k, part := key{name, 1}, 1
		if whole, n, of, ok := splitPart(name); ok {
			k, part = key{whole, of}, n
		}
		if parts[k] == nil {
			parts[k] = map[int]treeEntry{}
		}
		parts[k][part] = e
	}
	var files []File
	for k, list := range parts {
		f := File{Quantization: Quantization(k.whole)}
		for part := 1; part <= k.of && len(f.Paths) == part-1; part++ {
			e, ok := list[part]
			if !ok {
				break
			}
			f.Paths = append(f.Paths, e.Path)
			f.Size += e.size()
		}
		if k.of >= 1 && len(f.Paths) == k.of && f.Size > 0 {
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b File) int {
		return cmp.Or(
			cmp.Compare(rank(a.Quantization), rank(b.Quantization)),
			cmp.Compare(len(a.Paths), len(b.Paths)), cmp.Compare(b.Size, a.Size), strings.Compare(a.Paths[0], b.Paths[0]),
		)
	})
	return files
}

// size returns the size of the file itself, not of its LFS pointer.
func (e treeEntry) size() int64 {
	if e.LFS != nil && e.LFS.Size > 0 {
		return e.LFS.Size
	}
	return max(e.Size, 0)
}

// aside reports whether a GGUF file belongs to a model but is not one.
func aside(path string) bool {
	name := path[strings.LastIndexByte(path, '/')+1:]
	for _, word := range []string{"mmproj", "imatrix", "ggml-vocab"} {
		if strings.HasPrefix(name, word) || strings.HasSuffix(name, word) || strings.Contains(name, "-"+word+"-") || strings.Contains(name, "."+word+".") {
			return true
		}
	}
	return false
}

var repositoryName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$`)

func checkRepository(name string) error {
	if !repositoryName.MatchString(name) || strings.Contains(name, "..") {
		return fmt.Errorf("hub: %q is no repository: write it as author/name", name)
	}
	return nil
}
