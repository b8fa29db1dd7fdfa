package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/tokens"
)

func itself(r *tokens.Request) { r.RotatesItself = true }

// A token that is about to end is replaced by the command, and nothing else is ever in its file.
func TestRotatesItself(t *testing.T) {
	a := newAcme(t)
	text, info := a.token("projects:read", itself)
	path := fileWith(t, text)
	for round := 1; round <= 3; round++ {
		a.Wait(27*day - time.Second)
		require.Equal(t, result{0, "anvil\n", ""}, a.run("", "projects", "list", "-token", path))
		require.Equal(t, text, read(t, path), "three days are not soon")
		a.Wait(time.Second)
		require.Equal(t, result{0, "anvil\n", ""}, a.run("", "projects", "list", "-token", path))
		next := read(t, path)
		a.mint = append(a.mint, next)
		require.NotEqual(t, text, next)
		require.Equal(t, text[:23], next[:23], "it is the same token")
		require.Equal(t, round, a.info(info.ID).Rotations)
		require.Equal(t, a.Now().Add(30*day), a.info(info.ID).Expires)
		stat, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), stat.Mode().Perm())
		entries, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		require.Len(t, entries, 1, "no file is left behind")
		require.Equal(t, 0, a.run(text, "projects", "list").status, "the old one works for a grace")
		text = next
	}
	require.Equal(t, 3, a.called("/token/rotate"))
}

// A refused command has its token looked after as well.
func TestRotatesWhereTheScopeIsMissing(t *testing.T) {
	a := newAcme(t)
	text, info := a.token("projects:read", itself)
	path := fileWith(t, text)
	a.Wait(29 * day)
	require.Equal(t, 1, a.run("", "projects", "add", "-token", path, "rocket").status)
	require.Equal(t, 1, a.info(info.ID).Rotations)
	require.NotEqual(t, text, read(t, path))
}

func TestDoesNotRotateItself(t *testing.T) {
	a := newAcme(t)
	text, info := a.token("projects:read")
	path := fileWith(t, text)
	a.Wait(29 * day)
	got := a.run("", "projects", "list", "-token", path)
	require.Equal(t, "anvil\n", got.out)
	require.Equal(t, "acme: warning: the token ends at \"Thu, 31 Jan 2030 12:00:00 GMT\": rotate it on the settings page\n", got.errs)
	require.Zero(t, got.status)
	require.Equal(t, text, read(t, path))
	require.Zero(t, a.info(info.ID).Rotations)
}

func TestTokenOfTheEnvironment(t *testing.T) {
	a := newAcme(t)
	text, info := a.token("projects:read", itself)
	a.Wait(29 * day)
	got := a.run(text, "projects", "list")
	require.Equal(t, []any{0, "anvil\n"}, []any{got.status, got.out})
	require.Contains(t, got.errs, "warning: the token ends at")
	require.Zero(t, a.info(info.ID).Rotations, "its successor would have no place")
	require.Zero(t, a.called("/token/rotate"))
}

// The owner rotates on the settings page: the command goes on with the old copy, says so, and takes the
// new one once it is there.
func TestRotatedByItsOwner(t *testing.T) {
	a := newAcme(t)
	text, info := a.token("projects:read", itself)
	path := fileWith(t, text)
	m, err := a.tokens.Rotate(t.Context(), a.Vouch(t, "ada"), info.ID, tokens.Rotation{Grace: time.Hour})
	require.NoError(t, err)
	a.mint = append(a.mint, m.Token.Reveal())
	warned := result{0, "anvil\n", "acme: warning: the token has been rotated, and this copy works until " +
		"\"Tue, 01 Jan 2030 13:00:00 GMT\": put its successor in its place\n"}
	require.Equal(t, warned, a.run("", "projects", "list", "-token", path))
	require.Equal(t, warned, a.run(text, "projects", "list"))
	require.NoError(t, os.WriteFile(path, []byte(m.Token.Reveal()), 0o600))
	require.Equal(t, result{0, "anvil\n", ""}, a.run("", "projects", "list", "-token", path))
	a.Wait(time.Hour)
	require.Equal(t, 1, a.run(text, "projects", "list").status)
	require.Equal(t, 1, a.run("", "projects", "list", "-token", path).status, "the old copy was used after its grace: both end")
}

// The command ends between the rotation and the new file: the old copy goes on for the grace, with a warning.
func TestCrashAfterTheRotation(t *testing.T) {
	a := newAcme(t)
	text, info := a.token("projects:read", itself)
	path := fileWith(t, text)
	a.Wait(29 * day)
	status, _ := a.ask("POST", "/token/rotate", "", "Authorization", "Bearer "+text)
	require.Equal(t, 200, status)
	for range 2 {
		got := a.run("", "projects", "list", "-token", path)
		require.Equal(t, []any{0, "anvil\n"}, []any{got.status, got.out})
		require.Contains(t, got.errs, "the token has been rotated, and this copy works until")
	}
	a.Wait(grace - time.Second)
	require.Zero(t, a.run("", "projects", "list", "-token", path).status)
	require.Equal(t, tokens.StateActive, a.info(info.ID).State)
}

// Where the file cannot be replaced, nothing is rotated.
func TestNoPlaceForTheSuccessor(t *testing.T) {
	a := newAcme(t)
	text, info := a.token("projects:read", itself)
	path := fileWith(t, text)
	a.Wait(29 * day)
	a.before = func(*http.Request) { assert.NoError(t, os.RemoveAll(filepath.Dir(path))) }
	got := a.run("", "projects", "list", "-token", path)
	require.Equal(t, "anvil\n", got.out)
	require.Contains(t, got.errs, "was not replaced")
	require.Zero(t, a.info(info.ID).Rotations)
}

// A service that fails, or answers nonsense, costs no token.
func TestRotationFails(t *testing.T) {
	a := newAcme(t)
	text, _ := a.token("projects:read", itself)
	path := fileWith(t, text)
	a.Wait(29 * day)
	a.Store.Inject(gatehousetest.On("SaveToken", gatehousetest.Fail))
	got := a.run("", "projects", "list", "-token", path)
	require.Equal(t, []any{0, "anvil\n"}, []any{got.status, got.out})
	require.Contains(t, got.errs, "was not replaced: the service answers 500")
	require.Equal(t, text, read(t, path))
	a.Store.Inject(nil)
	require.Equal(t, result{0, "anvil\n", ""}, a.run("", "projects", "list", "-token", path))
	a.mint = append(a.mint, read(t, path))
	require.NotEqual(t, text, read(t, path))
}

// Of several commands at once that all have read the same token, one rotates it, and all succeed.
func TestManyRotateAtOnce(t *testing.T) {
	const commands = 8
	for range 5 {
		a := newAcme(t)
		text, info := a.token("projects:read", itself)
		path := fileWith(t, text)
		a.Wait(29 * day)
		a.before = barrier("/projects", "/token/rotate", commands)
		var all sync.WaitGroup
		results := make([]result, commands)
		for i := range results {
			all.Go(func() { results[i] = a.run("", "projects", "list", "-token", path) })
		}
		all.Wait()
		for _, r := range results {
			require.Equal(t, result{0, "anvil\n", ""}, r)
		}
		require.Equal(t, commands, a.called("/token/rotate"))
		require.Equal(t, 1, a.info(info.ID).Rotations, "not one after the other")
		a.mint = append(a.mint, read(t, path))
		require.NotEqual(t, text, read(t, path))
		a.before = nil
		require.Equal(t, result{0, "anvil\n", ""}, a.run("", "projects", "list", "-token", path))
		entries, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		require.Len(t, entries, 1)
	}
}

// barrier holds the requests for each path until n of them have come.
func barrier(one, two string, n int) func(*http.Request) {
	var first, second sync.WaitGroup
	first.Add(n)
	second.Add(n)
	return func(r *http.Request) {
		for path, group := range map[string]*sync.WaitGroup{one: &first, two: &second} {
			if r.URL.Path == path {
				group.Done()
				group.Wait()
			}
		}
	}
}

// A command that comes with the old copy just after another has rotated it finds the new one in the file.
func TestOvertaken(t *testing.T) {
	a := newAcme(t)
	text, _ := a.token("projects:read", itself)
	path := fileWith(t, text)
	a.Wait(29 * day)
	var begun atomic.Bool
	a.before = func(*http.Request) {
		if !begun.Swap(true) {
			assert.Zero(t, a.run("", "projects", "list", "-token", path).status)
		}
	}
	require.Equal(t, result{0, "anvil\n", ""}, a.run("", "projects", "list", "-token", path), "nothing to warn of")
	a.mint = append(a.mint, read(t, path))
	require.Equal(t, 1, a.called("/token/rotate"))
}

// And one that comes before the new one is there waits for it.
func TestOvertakenInBetween(t *testing.T) {
	a := newAcme(t)
	text, _ := a.token("projects:read", itself)
	path := fileWith(t, text)
	defer func(d time.Duration) { successorWait = d }(successorWait)
	successorWait = 5 * time.Minute // for as long as the other one may take here
	written := make(chan error, 1)
	a.before = func(*http.Request) {
		m, err := a.tokens.RotateSelf(context.Background(), text, netip.Addr{}, tokens.Rotation{Grace: time.Minute})
		assert.NoError(t, err)
		go func() {
			next, err := newReplacement(path)
			if err == nil {
				err = next.commit(m.Token.Reveal())
			}
			written <- err
		}()
	}
	require.Equal(t, result{0, "anvil\n", ""}, a.run("", "projects", "list", "-token", path), "nothing to warn of")
	require.NoError(t, <-written)
}

// What the endpoint answers to whom.
func TestRotateEndpoint(t *testing.T) {
	a := newAcme(t)
	own, _ := a.token("projects:read")
	text, _ := a.token("projects:read", itself)
	bearer := func(s string) []string { return []string{"Authorization", "Bearer " + s} }
	status, challenge := a.ask("POST", "/token/rotate", "")
	require.Equal(t, []any{401, bare}, []any{status, challenge})
	status, challenge = a.ask("POST", "/token/rotate", "", bearer("x")...)
	require.Equal(t, []any{401, invalid}, []any{status, challenge})
	status, _ = a.ask("POST", "/token/rotate", "", bearer(own)...)
	require.Equal(t, 403, status)
	status, _ = a.ask("GET", "/token/rotate", "", bearer(text)...)
	require.Equal(t, 405, status, "a GET changes nothing")

	r, err := http.NewRequest("POST", a.url+"/token/rotate", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+text)
	resp, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var answer map[string]string
	require.NoError(t, json.Unmarshal(body, &answer))
	a.mint = append(a.mint, answer["token"])
	require.Zero(t, a.run(answer["token"], "projects", "list").status)
	status, _ = a.ask("POST", "/token/rotate", "", bearer(text)...)
	require.Equal(t, 409, status)
	a.Wait(grace)
	status, challenge = a.ask("POST", "/token/rotate", "", bearer(text)...)
	require.Equal(t, []any{401, invalid}, []any{status, challenge}, "after its grace")
	require.Equal(t, 1, a.run(answer["token"], "projects", "list").status, "and the successor ends with it")
}
