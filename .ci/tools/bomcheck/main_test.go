package main

import (
	"crypto/sha256"
	"runtime/debug"
	"strings"
	"testing"
)

const good = `{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,
"metadata":{"component":{"name":"a.test/command"},"properties":[
{"name":"cdx:gomod:binary:hash:SHA-256","value":"0102030000000000000000000000000000000000000000000000000000000000"}]},
"components":[
{"name":"b.test/b","version":"v1.2.3","purl":"pkg:golang/b.test/b@v1.2.3?type=module","hashes":[{"alg":"SHA-256","content":"616263"}]},
{"name":"a.test/a","version":"(devel)","purl":"pkg:golang/a.test/a@(devel)?type=module"},
{"name":"std","version":"go1.26.0","purl":"pkg:golang/std@go1.26.0?type=module"}]}`

func TestCheck(t *testing.T) {
	info := &debug.BuildInfo{
		GoVersion: "go1.26.0", Main: debug.Module{Path: "a.test/command"},
		Deps: []*debug.Module{{Path: "a.test/a", Version: "(devel)"}, {Path: "b.test/b", Version: "v1.2.3", Sum: "h1:YWJj"}},
	}
	for _, c := range []struct{ old, new, want string }{
		{"", "", ""},
		{`{"bomFormat"`, `bomFormat`, "no JSON"},
		{`]}`, `]}}`, "no JSON"},
		{`"CycloneDX"`, `"SPDX"`, "format"},
		{`"1.6"`, `"1.5"`, "format"},
		{`"version":1,`, `"serialNumber":"",`, "a serial number or a time"},
		{`"metadata":{`, `"metadata":{"timestamp":"",`, "a serial number or a time"},
		{`a.test/command`, `a.test/other`, "it is of"},
		{`0102030`, `0102031`, "it is of a command"},
		{`v1.2.3","purl`, `v1.2.4","purl`, "missing: b.test/b"},
		{`b@v1.2.3?`, `b@v1.2.4?`, "missing: b.test/b"},
		{`616263`, `616264`, "missing: b.test/b"},
		{`,"hashes":[{"alg":"SHA-256","content":"616263"}]`, ``, "missing: b.test/b"},
		{`go1.26.0","purl`, `go1.26.1","purl`, "missing: std"},
		{`{"name":"std","version":"go1.26.0","purl":"pkg:golang/std@go1.26.0?type=module"}`, `{}`, "missing: std"},
		{`{"name":"std"`, `{"name":"c.test/c"},{"name":"std"`, "not in the command, or twice: c.test/c"},
		{`{"name":"std"`, `{"name":"a.test/a","version":"(devel)","purl":"pkg:golang/a.test/a@(devel)?"},{"name":"std"`, "not in the command, or twice: a.test/a"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		if c.want != "" && text == good {
			t.Fatalf("%q is not there", c.old)
		}
		wrong := check(info, [sha256.Size]byte{1, 2, 3}, []byte(text))
		if c.want == "" && len(wrong) > 0 || c.want != "" && (len(wrong) == 0 || !strings.HasPrefix(wrong[0], c.want)) {
			t.Errorf("%q for %q: got %q, want %q", c.new, c.old, wrong, c.want)
		}
	}
}
