package securitypage

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"path"
	"time"
)

//go:embed templates/*.html page.css page.js
var embedded embed.FS

// pages are the templates that fill the layout.
var pages = []string{
	"overview", "pair", "pairing", "paired", "authenticators", "remove", "codes", "newcodes", "disable", "tokens", "mint", "minted",
	"token", "activity", "stepup", "secondstep", "clock", "gate", "message",
}

// files are templates, style sheet and script, with what the host has put in their place.
type files struct {
	pages    map[string]*template.Template
	assets   map[string][]byte
	versions map[string]string
}

func readFiles(host fs.FS) (files, error) {
	f := files{pages: map[string]*template.Template{}, assets: map[string][]byte{}, versions: map[string]string{}}
	read := func(name string) ([]byte, error) {
		if host != nil {
			data, err := fs.ReadFile(host, name)
			if !errors.Is(err, fs.ErrNotExist) {
				return data, err
			}
		}
		if path.Ext(name) == ".html" {
			name = "templates/" + name
		}
		return embedded.ReadFile(name)
	}
	for _, name := range []string{"page.css", "page.js"} {
		data, err := read(name)
		if err != nil {
			return files{}, err
		}
		sum := sha256.Sum256(data)
		f.assets[name], f.versions[name] = data, hex.EncodeToString(sum[:8])
	}
	common := template.New("common")
	for _, name := range []string{"layout.html", "parts.html"} {
		if err := parse(common, name, read); err != nil {
			return files{}, err
		}
	}
	for _, name := range pages {
		page, err := common.Clone()
		if err != nil {
			return files{}, err
		}
		if err := parse(page, name+".html", read); err != nil {
			return files{}, err
		}
		// Escaping is done, and may fail, when a template is first executed: better now than for somebody.
		var wrong *template.Error
		if first, err := page.Clone(); err != nil {
			return files{}, err
		} else if err := first.ExecuteTemplate(io.Discard, "layout", nil); errors.As(err, &wrong) {
			return files{}, err
		}
		f.pages[name] = page
	}
	return f, nil
}

func parse(into *template.Template, name string, read func(string) ([]byte, error)) error {
	text, err := read(name)
	if err != nil {
		return err
	}
	_, err = into.New(name).Parse(string(text))
	return err
}

// serve answers with a style sheet or script. Its address changes with its contents, so it may be kept.
func (f *files) serve(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("v") == f.versions[name] {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(f.assets[name]))
	}
}
