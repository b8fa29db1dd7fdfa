package ceremony_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/passkey/internal/ceremony"
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
		"an address as ID":         {func(p *ceremony.Party) { p.ID = "192.0.2.1" }, "IP address"},
		"no origins":               {func(p *ceremony.Party) { p.Origins = nil }, "no origins"},
		"another domain":           {func(p *ceremony.Party) { p.Origins[0] = "https://evil.test" }, "not of the RP ID"},
		"a domain that ends alike": {func(p *ceremony.Party) { p.Origins[0] = "https://notacme.test" }, "not of the RP ID"},
		"a path":                   {func(p *ceremony.Party) { p.Origins[0] = "https://acme.test/" }, "without a path"},
		"a user":                   {func(p *ceremony.Party) { p.Origins[0] = "https://acme.test@evil.test" }, "without a path"},
		"capitals":                 {func(p *ceremony.Party) { p.Origins[0] = "https://ACME.test" }, "labels of"},
		"the port of https":        {func(p *ceremony.Party) { p.Origins[0] = "https://acme.test:443" }, "leave out the port"},
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

func TestTransports(t *testing.T) {
	bits := ceremony.Transports([]string{"internal", "smoke-signals", "usb", "USB"})
	require.EqualValues(t, 0b1001, bits)
	require.Equal(t, []string{"usb", "internal"}, ceremony.TransportNames(bits))
}
