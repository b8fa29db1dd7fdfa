package main

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

func passkeyFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "rp-id", Sources: cli.EnvVars("GATEHOUSE_RP_ID"), Usage: "the `DOMAIN` that the service's passkeys are for (passkey.Config.RPID)"},
		&cli.StringSliceFlag{Name: "origin", Sources: cli.EnvVars("GATEHOUSE_ORIGINS"), Usage: "an `ORIGIN` of its pages and apps, such as https://login.acme.test; once for each, or with commas between"},
	}
}

// passkeys looks at who depends on one passkey, and whether browsers offer the service's passkeys where it asks for them.
func (x *examination) passkeys(s sqlstore.Stats) {
	x.ok("passkeys", "%d accounts have one, %d of them no app", s.Passkeys, s.Resistant)
	if s.Single > 0 {
		x.warn("passkeys", "%s with one passkey, no app and no recovery code: whoever loses it needs a reset (see \"One lost passkey from support\" in docs/operations.md)", counted(s.Single, "account"))
	}
	id, origins := x.c.String("rp-id"), x.c.StringSlice("origin")
	if id == "" {
		if s.Passkeys > 0 {
			x.warn("passkey domain", "give -rp-id and -origin, or set GATEHOUSE_RP_ID and GATEHOUSE_ORIGINS, to have the domain of the passkeys checked")
		}
		return
	}
	if err := checkDomain(id); err != nil {
		x.fail("passkey domain", "%s: %v", shown(id), err)
		return
	}
	good := true
	for _, origin := range origins {
		state, text := "ok", ""
		if state, text = originOf(id, origin); state != "ok" {
			good = false
			x.say("passkey domain", state, "%s: %s", shown(origin), text)
		}
	}
	if good {
		x.ok("passkey domain", "browsers offer passkeys of %s at %s", id, strings.Join(origins, ", "))
	}
}

// checkDomain says why no browser takes a domain for passkeys (Web Authentication Level 3, "valid domain string").
func checkDomain(id string) error {
	_, address := netip.ParseAddr(id)
	switch {
	case strings.Contains(id, "://") || strings.ContainsAny(id, ":/"):
		return fmt.Errorf("it is a domain alone, without https://, a port or a path")
	case address == nil:
		return fmt.Errorf("an IP address cannot be one")
	case id != strings.ToLower(id) || strings.ContainsFunc(id, func(r rune) bool { return r > '~' || r <= ' ' }):
		return fmt.Errorf("it is in small letters of ASCII; names in other scripts begin with xn--")
	case strings.HasPrefix(id, ".") || strings.HasSuffix(id, ".") || strings.Contains(id, ".."):
		return fmt.Errorf("it has an empty label")
	case !strings.Contains(id, ".") && id != "localhost":
		return fmt.Errorf("it has one label: browsers take none that everybody below it shares")
	}
	return nil
}

// originOf returns the state of a finding on an origin, and what is wrong with it.
func originOf(id, origin string) (state, text string) {
	if hash, app := strings.CutPrefix(origin, "android:apk-key-hash:"); app {
		if b, err := base64.RawURLEncoding.DecodeString(hash); err != nil || len(b) != 32 {
			return "fail", "an Android app has the SHA-256 of its certificate there, in base64url without padding"
		}
		return "ok", ""
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || origin != u.Scheme+"://"+u.Host {
		return "fail", "an origin is https:// with a host and perhaps a port, and nothing behind it"
	}
	host := u.Hostname()
	local := host == "localhost" || strings.HasSuffix(host, ".localhost")
	switch {
	case u.Scheme != "https" && !(u.Scheme == "http" && local):
		return "fail", "browsers have passkeys under https alone, but for localhost"
	case u.Port() == "443":
		return "fail", "browsers leave 443 out of an origin"
	case host != id && !strings.HasSuffix(host, "."+id):
		return "warn", "it is neither " + id + " nor below it: browsers offer no passkey there unless https://" + id + "/.well-known/webauthn lists it (passkey.Config.RelatedOrigins)"
	case local:
		return "warn", "it is for development alone"
	}
	return "ok", ""
}
