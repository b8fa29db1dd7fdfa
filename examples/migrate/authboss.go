package migrate

import (
	"strings"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/totp"
)

// AuthbossUser is what authboss (v3) keeps of a user in the columns that the host has named.
type AuthbossUser struct {
	TOTPSecretKey  string // of totp2fa; "" is off
	SMSPhoneNumber string // of sms2fa; "" is off
	RecoveryCodes  string // bcrypt hashes with commas between; they stay when two-factor is turned off
}

// FromAuthboss returns what Gatehouse takes of a user. ok is false for one without two-factor: do not import it. One who
// has text messages alone is closed, as there is nothing that a phone could go on with.
func FromAuthboss(u AuthbossUser) (in gatehouse.Import, ok bool) {
	if u.TOTPSecretKey == "" {
		return closing(gatehouse.Import{}), u.SMSPhoneNumber != ""
	}
	secret, _, _ := totp.ParseImported(u.TOTPSecretKey)
	// Its last code, where the host keeps one, is no step: every code so far counts as used.
	in = closing(gatehouse.Import{Authenticators: []gatehouse.ImportAuthenticator{{Secret: secret, Name: "Phone"}}})
	for hash := range strings.SplitSeq(u.RecoveryCodes, ",") {
		if hash != "" {
			in.RecoveryCodes = append(in.RecoveryCodes, recovery.ForeignHash(hash, 0))
		}
	}
	return in, true
}
