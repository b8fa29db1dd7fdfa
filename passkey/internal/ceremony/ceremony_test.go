package ceremony_test

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/passkey/internal/ceremony"
	"github.com/gatehouse-go/gatehouse/passkey/passkeytest"
)

const app = "android:apk-key-hash:-sYXRdwJA3hvue3mKpYrOZ9zSPC7b4mbgzJmdZEDO5w"

func TestParty(t *testing.T) {
	good := ceremony.Party{ID: "acme.test", Name: "Acme", Origins: []string{"https://acme.test", "https://login.acme.test:8443", app}}
	for name, c := range map[string]struct {
		change func(*ceremony.Party)
		want   string // "" where it is taken
	}{
		"good":                     {func(p *ceremony.Party) {}, ""},
		"localhost":                {func(p *ceremony.Party) { p.ID, p.Origins = "localhost", []string{"http://localhost:8080"} }, ""},
		"a related origin":         {func(p *ceremony.Party) { p.Related = []string{"https://acme.example"} }, ""},
		"a page around a frame":    {func(p *ceremony.Party) { p.TopOrigins = []string{"https://partner.example"} }, ""},
		"no ID":                    {func(p *ceremony.Party) { p.ID = "" }, "1 to 253"},
		"an ID with a scheme":      {func(p *ceremony.Party) { p.ID = "https://acme.test" }, "labels of"},
		"an ID in capitals":        {func(p *ceremony.Party) { p.ID = "Acme.test" }, "labels of"},
		"an ID with a port":        {func(p *ceremony.Party) { p.ID = "acme.test:443" }, "labels of"},
		"an ID that ends in a dot": {func(p *ceremony.Party) { p.ID = "acme.test." }, "labels of"},
		"an ID with a hyphen":      {func(p *ceremony.Party) { p.ID, p.Origins = "a-b.test", []string{"https://a-b.test"} }, ""},
		"a hyphen in front":        {func(p *ceremony.Party) { p.ID = "-acme.test" }, "labels of"},
		"a hyphen at the end":      {func(p *ceremony.Party) { p.ID = "acme-.test" }, "labels of"},
		"an empty label":           {func(p *ceremony.Party) { p.ID = "acme..test" }, "labels of"},
		"a long label":             {func(p *ceremony.Party) { p.ID = strings.Repeat("a", 64) + ".test" }, "labels of"},
		"a long ID":                {func(p *ceremony.Party) { p.ID = strings.Repeat("a.", 127) + "test" }, "1 to 253"},
		"an address as ID":         {func(p *ceremony.Party) { p.ID = "192.0.2.1" }, "IP address"},
		"no origins":               {func(p *ceremony.Party) { p.Origins = nil }, "no origins"},
		"another domain":           {func(p *ceremony.Party) { p.Origins[0] = "https://evil.test" }, "not of the RP ID"},
		"a domain that ends alike": {func(p *ceremony.Party) { p.Origins[0] = "https://notacme.test" }, "not of the RP ID"},
		"a path":                   {func(p *ceremony.Party) { p.Origins[0] = "https://acme.test/" }, "without a path"},
		"a user":                   {func(p *ceremony.Party) { p.Origins[0] = "https://acme.test@evil.test" }, "without a path"},
		"capitals":                 {func(p *ceremony.Party) { p.Origins[0] = "https://ACME.test" }, "labels of"},
		"the port of https":        {func(p *ceremony.Party) { p.Origins[0] = "https://acme.test:443" }, "leave out the port"},
		"the port of http":         {func(p *ceremony.Party) { p.ID, p.Origins = "localhost", []string{"http://localhost:80"} }, "leave out the port"},
		"an empty port":            {func(p *ceremony.Party) { p.Origins[0] = "https://acme.test:" }, "leave out the port"},
		"a port with a zero":       {func(p *ceremony.Party) { p.Origins[0] = "https://acme.test:08443" }, "leave out the port"},
		"http":                     {func(p *ceremony.Party) { p.Origins[0] = "http://acme.test" }, "without https"},
		"another scheme":           {func(p *ceremony.Party) { p.Origins[0] = "ftp://acme.test" }, "https:// and a host"},
		"null":                     {func(p *ceremony.Party) { p.Origins[0] = "null" }, "https:// and a host"},
		"an app with a short hash": {func(p *ceremony.Party) { p.Origins[0] = "android:apk-key-hash:AAAA" }, "SHA-256"},
		"an app with a padded one": {func(p *ceremony.Party) { p.Origins[0] = app + "=" }, "SHA-256"},
		"an app that is related":   {func(p *ceremony.Party) { p.Related = []string{app} }, "a web origin"},
		"a model without roots":    {func(p *ceremony.Party) { p.Trusted = []ceremony.Trusted{{}} }, "no roots"},
	} {
		p := good
		p.Origins = append([]string(nil), good.Origins...)
		c.change(&p)
		_, err := ceremony.New(p)
		if c.want == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, c.want, name)
	}
}

// What is changed in a Party afterwards changes nothing.
func TestPartyIsCopied(t *testing.T) {
	p := acme
	p.Origins, p.Related, p.TopOrigins = slices.Clone(p.Origins), slices.Clone(p.Related), slices.Clone(p.TopOrigins)
	a := passkeytest.New("https://acme.test")
	a.Attestation = passkeytest.Certificate
	root, err := a.Root()
	require.NoError(t, err)
	p.Trusted = []ceremony.Trusted{{Roots: x509.NewCertPool()}}
	p.Trusted[0].Roots.AddCert(root)
	c := party(t, p)
	a.Tamper = func(d *passkeytest.Draft) { d.CrossOrigin, d.TopOrigin = true, acme.TopOrigins[0] }
	response := register(t, c, a)
	p.Origins[0], p.Related[0], p.TopOrigins[0], p.Trusted[0] = "", "", "", ceremony.Trusted{}
	k, err := checkRegistration(c, challenge, response)
	require.NoError(t, err)
	require.True(t, k.Attested)
}

func TestTransports(t *testing.T) {
	bits := ceremony.Transports([]string{"internal", "smoke-signals", "nfc", "NFC"})
	require.EqualValues(t, 0b1010, bits)
	require.Equal(t, []string{"nfc", "internal"}, ceremony.TransportNames(bits))
}
