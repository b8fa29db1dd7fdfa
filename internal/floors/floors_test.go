package floors_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFloors(t *testing.T) {
	for _, complaint := range broken(house(t)) {
		t.Error(complaint)
	}
}

// The house is read as it stands: a reader that saw no files and no links would find nothing broken.
func TestHouse(t *testing.T) {
	pkgs := house(t)
	at := slices.IndexFunc(pkgs, func(p pkg) bool { return p.dir == "totp" })
	require.GreaterOrEqual(t, at, 0)
	require.Contains(t, pkgs[at].ours, "internal/redact")
	require.Contains(t, pkgs[at].imports, "time")
	require.Contains(t, pkgs[at].links, "github.com/pquerna/otp")
	require.Contains(t, pkgs[at].links, "context", "what is linked through others counts")
	at = slices.IndexFunc(pkgs, func(p pkg) bool { return p.dir == "tokens" })
	require.GreaterOrEqual(t, at, 0)
	require.Contains(t, pkgs[at].files["check"].imports, "context", "each file is read alone as well")
	require.NotContains(t, pkgs[at].files["record"].imports, "context")
	require.Contains(t, pkgs[at].files["record"].ours, "internal/core")

	var dirs []string
	for _, p := range pkgs {
		dirs = append(dirs, p.dir)
	}
	for dir := range linked(t) {
		require.Contains(t, dirs, dir, "go list has a package that was not read")
	}
}

// Each rule complains about a package that breaks it.
func TestBroken(t *testing.T) {
	for _, c := range []struct {
		pkg  pkg
		want string // "" where nothing is broken
	}{
		{pkg{dir: "internal/news"}, "internal/news has no rule: add one to rules in internal/floors/rules_test.go"},

		{pkg{dir: "totp", ours: []string{"internal/redact"}}, ""},
		{pkg{dir: "totp", ours: []string{"recovery"}}, "totp must not import recovery"},
		{pkg{dir: "recovery", ours: []string{"storage"}}, "recovery must not import storage"},
		{pkg{dir: "keyring", ours: []string{"storage"}}, "keyring must not import storage"},
		{pkg{dir: "storage", ours: []string{"internal/redact"}}, "storage must not import internal/redact"},
		{pkg{dir: "storage/memory", ours: []string{"storage"}}, ""},
		{pkg{dir: "storage/memory", ours: []string{"internal/core"}}, "storage/memory must not import internal/core"},
		{pkg{dir: "storage/sqlstore", ours: []string{"storage/memory"}}, "storage/sqlstore must not import storage/memory"},
		{pkg{dir: "storage/storagetest", ours: []string{".", "storage/memory"}}, ""},
		{pkg{dir: "storage/storagetest", ours: []string{"internal/engine"}}, "storage/storagetest must not import internal/engine"},
		{pkg{dir: "internal/core", ours: []string{"totp", "storage"}}, ""},
		{pkg{dir: "internal/core", ours: []string{"keyring"}}, "internal/core must not import keyring"},
		{pkg{dir: "internal/core", ours: []string{"."}}, "internal/core must not import ."},
		{pkg{dir: ".", ours: []string{"internal/core", "keyring"}}, ""},
		{pkg{dir: ".", ours: []string{"storage/memory"}}, ". must not import storage/memory"},
		{pkg{dir: ".", ours: []string{"httpguard"}}, ". must not import httpguard"},
		{pkg{dir: ".", ours: []string{"internal/testneed"}}, ". must not import internal/testneed"},
		{pkg{dir: "httpguard", ours: []string{".", "tokens"}}, ""},
		{pkg{dir: "httpguard", ours: []string{"internal/core"}}, "httpguard must not import internal/core"},
		{pkg{dir: "httpguard", ours: []string{"securitypage"}}, "httpguard must not import securitypage"},
		{pkg{dir: "gatehousetest", ours: []string{".", "storage/memory"}}, ""},
		{pkg{dir: "gatehousetest", ours: []string{"securitypage"}}, "gatehousetest must not import securitypage"},

		{pkg{dir: "totp", imports: []string{"crypto/rand", "net/url", "time", "strings"}}, ""},
		{pkg{dir: "totp", imports: []string{"context"}}, "totp is pure and must not import context"},
		{pkg{dir: "recovery", imports: []string{"math/rand/v2"}}, "recovery is pure and must not import math/rand/v2"},
		{pkg{dir: "internal/core", imports: []string{"crypto/rand"}}, "internal/core is pure and must not import crypto/rand"},
		{pkg{dir: "internal/core", imports: []string{"log/slog"}}, "internal/core is pure and must not import log/slog"},
		{pkg{dir: "internal/redact", imports: []string{"log/slog"}}, ""},
		{pkg{dir: "internal/redact", imports: []string{"log"}}, "internal/redact is pure and must not import log"},
		{pkg{dir: "keyring", imports: []string{"context", "os"}}, ""},

		{pkg{dir: "totp", links: []string{"context", "os", "net/netip"}}, ""},
		{pkg{dir: "totp", links: []string{"net/http"}}, "totp must not link net/http"},
		{pkg{dir: "keyring", links: []string{"net"}}, "keyring must not link net"},
		{pkg{dir: "storage/memory", links: []string{"testing"}}, "storage/memory must not link testing"},
		{pkg{dir: "gatehousetest", links: []string{"testing"}}, ""},
		{pkg{dir: ".", links: []string{"net"}}, ""},
		{pkg{dir: ".", links: []string{"net/http"}}, ". must not link net/http"},
		{pkg{dir: "internal/engine", links: []string{"net"}}, "internal/engine must not link net"},
		{pkg{dir: ".", links: []string{"database/sql"}}, ". must not link database/sql"},
		{pkg{dir: "httpguard", links: []string{"net/http"}}, ""},

		{pkg{dir: "totp", clock: []string{"a.go:1:2: time.Now"}}, "totp is pure and must not use the clock: a.go:1:2: time.Now"},
		{pkg{dir: "internal/core", clock: []string{"a.go:1:2: time.Now"}}, "internal/core is pure and must not use the clock: a.go:1:2: time.Now"},
		{pkg{dir: ".", clock: []string{"a.go:1:2: time.Now"}}, ""},

		{service("tokens", "check", pkg{ours: []string{".", "internal/engine"}, imports: []string{"context"}, clock: []string{"x"}}), ""},
		{service("tokens", "text", pkg{ours: []string{"internal/redact"}, imports: []string{"crypto/rand", "net/netip"}}), ""},
		{service("tokens", "record", pkg{ours: []string{"internal/core", "storage"}}), ""},
		{service("tokens", "record", pkg{ours: []string{"."}}), "tokens/record.go is pure and must not import ."},
		{service("tokens", "record_change", pkg{ours: []string{"internal/engine"}}), "tokens/record_change.go is pure and must not import internal/engine"},
		{service("tokens", "policy", pkg{ours: []string{"keyring"}}), "tokens/policy.go is pure and must not import keyring"},
		{service("tokens", "find", pkg{imports: []string{"database/sql"}}), "tokens/find.go is pure and must not import database/sql"},
		{service("tokens", "restrict", pkg{imports: []string{"net"}}), "tokens/restrict.go is pure and must not import net"},
		{service("tokens", "env", pkg{clock: []string{"env.go:1:2: time.Now"}}), "tokens/env.go is pure and must not use the clock: env.go:1:2: time.Now"},
		{service("posture", "facts", pkg{ours: []string{".", "tokens"}}), ""},
		{service("posture", "gate", pkg{ours: []string{"internal/core"}}), "posture/gate.go is pure and must not import internal/core"},
		{service("posture", "builtin", pkg{imports: []string{"net/http"}}), "posture/builtin.go is pure and must not import net/http"},
		{service("posture", "model", pkg{imports: []string{"crypto/rand"}}), "posture/model.go is pure and must not import crypto/rand"},
		{service("posture", "text", pkg{imports: []string{"os"}}), "posture/text.go is pure and must not import os"},
		{service("posture", "service", pkg{ours: []string{"internal/engine"}, imports: []string{"context"}}), ""},
		{pkg{dir: "posture", ours: []string{"storage/memory"}, files: service("posture", "", pkg{}).files}, "posture must not import storage/memory"},
		{pkg{dir: "tokens", ours: []string{"posture"}, files: service("tokens", "", pkg{}).files}, "tokens must not import posture"},
	} {
		var want []string
		if c.want != "" {
			want = []string{c.want}
		}
		require.Equal(t, want, broken([]pkg{{dir: "storage"}, c.pkg}), "%+v", c.pkg)
	}
	gone := service("tokens", "", pkg{})
	delete(gone.files, "scope")
	require.Equal(t, []string{"tokens has no scope.go: change rules in internal/floors/rules_test.go"}, broken([]pkg{gone}), "a rule about no file holds nothing")
}

// service is a package with all the files of its pure part, and one as it is given.
func service(dir, name string, f pkg) pkg {
	p := pkg{dir: dir, files: map[string]pkg{}}
	for _, name := range rules[dir].part.files {
		p.files[name] = pkg{}
	}
	p.files[name] = f
	return p
}

func TestRead(t *testing.T) {
	var p pkg
	require.NoError(t, p.read("a.go", []byte(`//go:build never
package a
import (
	_ "embed"
	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse-other/x"
	"time"
)
type T struct { now func() time.Time }
var later = func() time.Time { return time.Unix(1, 0).Add(time.Second) }
var x = T{now: time.Now}
`)))
	require.Equal(t, pkg{
		ours:    []string{".", "internal/core"},
		imports: []string{"embed", "github.com/gatehouse-go/gatehouse-other/x", "time"},
		clock:   []string{"a.go:12:16: time.Now"},
	}, p)

	for _, c := range []struct{ src, want string }{
		{"package a\nimport clock \"time\"\nfunc f() { clock.Sleep(1) }\n", "a.go:3:12: time.Sleep"},
		{"package a\nimport . \"time\"\nvar n = Now()\n", "a.go:1:1: time under the name of ."},
		{"package a\nimport \"time\"\nvar c = time.After(time.Second)\n", "a.go:3:9: time.After"},
	} {
		var p pkg
		require.NoError(t, p.read("a.go", []byte(c.src)))
		require.Equal(t, []string{c.want}, p.clock)
	}
	require.Error(t, new(pkg).read("a.go", []byte("package")))
}
