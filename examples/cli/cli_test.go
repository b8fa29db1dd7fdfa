package main

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/tokens"
)

const day = 24 * time.Hour

// acme is the service with a clock to move, and whatever it logs.
type acme struct {
	*gatehousetest.Service
	tokens *tokens.Service
	t      *testing.T
	url    string
	log    *buffer
	mint   []string // every token there was

	mu     sync.Mutex
	calls  map[string]int // by path
	before func(*http.Request)
}

// buffer can be written by several requests.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newAcme(t *testing.T) *acme {
	t.Helper()
	rules, err := policy()
	require.NoError(t, err)
	rules.Separator = "/"
	a := &acme{
		Service: gatehousetest.New(t),
		t:       t, log: &buffer{}, calls: map[string]int{},
	}
	a.tokens, err = tokens.New(a.Service.Service, rules)
	require.NoError(t, err)
	api := newServer(a.tokens, log.New(a.log, "", 0), a.Now).handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.calls[r.URL.Path]++
		a.mu.Unlock()
		if a.before != nil {
			a.before(r)
		}
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.Close()
		require.NotEmpty(t, a.mint)
		for _, text := range a.mint {
			require.NotContains(t, a.log.String(), text[23:], "nothing of a token is logged")
		}
	})
	a.url = server.URL
	return a
}

func (a *acme) called(path string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[path]
}

// token mints one with scopes, and with what edits make of it.
func (a *acme) token(scopes string, edits ...func(*tokens.Request)) (text string, info tokens.Info) {
	a.t.Helper()
	list, err := tokens.ParseScopes(scopes)
	require.NoError(a.t, err)
	r := tokens.Request{Name: "ci", Scopes: list}
	for _, edit := range edits {
		edit(&r)
	}
	m, err := a.tokens.Mint(a.t.Context(), a.Vouch(a.t, "ada"), r)
	require.NoError(a.t, err)
	a.mint = append(a.mint, m.Token.Reveal())
	return m.Token.Reveal(), m.Info
}

func (a *acme) info(id string) tokens.Info {
	a.t.Helper()
	for info, err := range a.tokens.List(a.t.Context(), "ada") {
		require.NoError(a.t, err)
		if info.ID == id {
			return info
		}
	}
	a.t.Fatal("there is no such token")
	return tokens.Info{}
}

func fileWith(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte(text+"\n"), 0o600))
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return strings.TrimSuffix(string(text), "\n")
}

// result is what a run of the command has left.
type result struct {
	status    int
	out, errs string
}

func (a *acme) run(env string, args ...string) result {
	var out, errs strings.Builder
	args = append(args[:2:2], append([]string{"-url", a.url}, args[2:]...)...)
	status := run(context.Background(), args, func(string) string { return env }, &out, &errs)
	return result{status, out.String(), errs.String()}
}

func TestWorks(t *testing.T) {
	a := newAcme(t)
	text, _ := a.token("projects:write")
	path := fileWith(t, text)
	require.Equal(t, result{0, "anvil\n", ""}, a.run("", "projects", "list", "-token", path))
	require.Equal(t, result{0, "rocket\n", ""}, a.run(text, "projects", "add", "rocket"))
	require.Equal(t, result{0, "anvil\nrocket\n", ""}, a.run(" "+text+"\n", "projects", "list"))
	other, _ := a.token("projects:write")
	require.Equal(t, 0, a.run(other, "projects", "list", "-token", path).status)
	require.Equal(t, 1, a.run(text, "projects", "list", "-token", path+"x").status, "the file that was named, or none")
	require.Equal(t, text, read(t, path))

	double := a.run(text, "projects", "add", "rocket")
	require.Equal(t, 1, double.status)
	require.Contains(t, double.errs, "There is one of this name.")
}

func TestMissingScope(t *testing.T) {
	a := newAcme(t)
	text, _ := a.token("projects:read")
	require.Equal(t, result{1, "", "acme: the token lacks the scope \"projects:write\": make one that has it on the settings page\n"},
		a.run(text, "projects", "add", "rocket"))
	require.Equal(t, result{0, "anvil\n", ""}, a.run(text, "projects", "list"), "nothing was added")
}

func TestOnlyItsResources(t *testing.T) {
	a := newAcme(t)
	only, err := tokens.OnlyResources("project/rocket")
	require.NoError(t, err)
	text, _ := a.token("projects:write", func(r *tokens.Request) { r.Resources = only })
	require.Equal(t, result{0, "", ""}, a.run(text, "projects", "list"))
	refused := a.run(text, "projects", "add", "skates")
	require.Equal(t, 1, refused.status)
	require.Contains(t, refused.errs, "The token is not for this project.")
	require.Equal(t, 0, a.run(text, "projects", "add", "rocket").status)
	require.Equal(t, result{0, "rocket\n", ""}, a.run(text, "projects", "list"))
}

// What the command says of a token that is not accepted is the same for each reason.
func TestNotAccepted(t *testing.T) {
	for what, end := range map[string]func(a *acme, info tokens.Info){
		"revoked": func(a *acme, info tokens.Info) {
			require.NoError(t, a.tokens.Revoke(t.Context(), a.Vouch(t, "ada"), info.ID))
		},
		"all revoked": func(a *acme, _ tokens.Info) {
			require.NoError(t, a.tokens.RevokeAll(t.Context(), a.Vouch(t, "ada")))
		},
		"expired": func(a *acme, _ tokens.Info) { a.Wait(30 * day) },
		"suspended": func(a *acme, _ tokens.Info) {
			require.NoError(t, a.Operator("op").Suspend(t.Context(), "ada"))
		},
		"given back": func(a *acme, _ tokens.Info) {
			require.NoError(t, a.tokens.RevokePresented(t.Context(), a.mint[0]))
		},
	} {
		t.Run(what, func(t *testing.T) {
			a := newAcme(t)
			text, info := a.token("projects:write")
			path := fileWith(t, text)
			require.Zero(t, a.run("", "projects", "list", "-token", path).status)
			end(a, info)
			require.Equal(t, result{1, "", "acme: the token is not accepted: it has expired, was revoked, or is not for this service. " +
				"Make one on the settings page\n"}, a.run("", "projects", "list", "-token", path))
			require.Equal(t, text, read(t, path))
		})
	}
}

// A store that fails is no reason to throw a token away.
func TestFault(t *testing.T) {
	a := newAcme(t)
	text, _ := a.token("projects:read")
	a.Store.Inject(gatehousetest.On("LoadToken", gatehousetest.Fail))
	got := a.run(text, "projects", "list")
	require.Equal(t, 1, got.status)
	require.Contains(t, got.errs, "the service answers 500")
	require.Contains(t, a.log.String(), "load token")
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		nil, {"unknown"}, {"projects"}, {"projects", "drop"}, {"projects", "list", "stray"}, {"projects", "add"}, {"projects", "add", "a", "b"},
		{"projects", "list", "-unknown"}, {"serve", "stray"}, {"serve", "-lifetime", "long"},
	} {
		var out, errs strings.Builder
		require.Equal(t, 2, run(t.Context(), args, os.Getenv, &out, &errs), args)
		require.Contains(t, errs.String(), "sage", args)
		require.Empty(t, out.String())
	}
	require.Zero(t, run(t.Context(), []string{"projects", "list", "-h"}, os.Getenv, io.Discard, io.Discard))

	var errs strings.Builder
	require.Equal(t, 1, run(t.Context(), []string{"projects", "list"}, func(string) string { return "" }, io.Discard, &errs))
	require.Equal(t, "acme: there is no token: name its file with -token, or set ACME_TOKEN\n", errs.String())
}

// A token goes to the service that was named over TLS or within the machine, and nowhere else.
func TestWhereTheTokenGoes(t *testing.T) {
	for service, ok := range map[string]bool{
		"https://acme.test": true, "https://acme.test:8443/api": true, "http://localhost:8080": true, "http://127.0.0.1:8080": true, "http://[::1]:8080": true,
		"http://acme.test": false, "http://localhost.acme.test": false, "http://127.0.0.1.acme.test": false, "http://127.0.0.1@acme.test": false,
		"http://10.0.0.1": false, "ftp://localhost": false, "acme.test": false, "": false, "http://[::1": false,
	} {
		require.Equal(t, ok, checkURL(service) == nil, service)
	}

	a := newAcme(t)
	text, _ := a.token("projects:read")
	redirect := httptest.NewServer(http.RedirectHandler(a.url+"/projects", http.StatusTemporaryRedirect))
	defer redirect.Close()
	var errs strings.Builder
	args := []string{"projects", "list", "-url", redirect.URL}
	require.Equal(t, 1, run(t.Context(), args, func(string) string { return text }, io.Discard, &errs))
	require.Contains(t, errs.String(), "the service answers 307")
	require.Zero(t, a.called("/projects"))
}
