package core

import (
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/wire"
)

// kinds has each kind of event at the number that is stored of it. A number stays with its kind: new kinds go to the end,
// and one that is gone leaves its place empty. A new kind is a new format: see "Encoding" in docs/design.md.
var kinds = number([]event.Kind{
	1:  event.EnrollmentBegun,
	2:  event.EnrollmentConfirmed,
	3:  event.EnrollmentAbandoned,
	4:  event.CodeAccepted,
	5:  event.CodeDenied,
	6:  event.MethodLocked,
	7:  event.MethodUnlocked,
	8:  event.ThrottledBurst,
	9:  event.ManyFailures,
	10: event.RecoveryCodeUsed,
	11: event.RecoveryCodesLow,
	12: event.RecoveryCodesRegenerated,
	13: event.RecoveryCodesAcknowledged,
	14: event.OperatorCodeMade,
	15: event.OperatorCodeUsed,
	16: event.AuthenticatorAdded,
	17: event.AuthenticatorRenamed,
	18: event.AuthenticatorRemoved,
	19: event.AuthenticatorResynced,
	20: event.TwoFactorOff,
	21: event.PasswordChanged,
	22: event.AccountReset,
	23: event.AccountSuspended,
	24: event.AccountResumed,
	25: event.AccountImported,
	26: event.AccountDeleted,
	27: event.AccountRestored,
	28: event.KeyMoved,
	29: event.SecondFactorMissing,
	30: event.ActivityReviewed,
	31: event.TokenMinted,
	32: event.TokenFirstUsed,
	33: event.TokenNewAddress,
	34: event.TokenRotated,
	35: event.TokenRenewed,
	36: event.TokenReused,
	37: event.TokenContested,
	38: event.TokenExpiring,
	39: event.TokenNeedsSecondFactor,
	40: event.TokenRevoked,
	41: event.TokensRevoked,
	42: event.TokenPurged,
	43: event.RiskAccepted,
	44: event.RiskWithdrawn,
	45: event.PostureChanged,
	46: event.PostureRules,
	47: event.SessionsEnded,
	48: event.ServiceAccountCreated,
	49: event.ServiceAccountRemoved,
	50: event.ServiceTokenMinted,
	51: event.ServiceTokenRotated,
	52: event.ServiceTokenRenewed,
	53: event.FirstFactorSignIn,
	54: event.PasskeySuspect,
	55: event.NewBrowser,
	56: event.SessionEnded,
})

// methods is the same of the methods in events.
var methods = number([]event.Method{
	1: event.MethodTOTP, 2: event.MethodRecoveryCode, 3: event.MethodOperatorCode, 4: event.MethodPassword, 5: event.MethodProvider,
	6: event.MethodPasskey,
})

// agents is the same of browsers and systems: a number has one of each, and either may be missing. Both lists are as
// kinds is: new ones go to the end.
var agents = number(eachAgent(
	[]string{"", "program", "firefox", "chrome", "safari", "edge", "opera", "samsung"},
	[]string{"", "windows", "macos", "linux", "android", "ios", "ipados", "chromeos"},
))

// mostSystems is how many systems there can be; a number is a byte, so there can be 16 browsers.
const mostSystems = 16

func eachAgent(browsers, systems []string) []event.Agent {
	all := make([]event.Agent, len(browsers)*mostSystems)
	for b, browser := range browsers {
		for s, system := range systems {
			if s > 0 {
				system = "/" + system
			}
			if browser != "program" || s == 0 {
				all[b*mostSystems+s] = event.Agent(browser + system)
			}
		}
	}
	return all
}

// codes has codes of which numbers are stored.
type codes[T ~string] struct {
	byNumber []T // the place of 0 is empty
	numbers  map[T]byte
}

func number[T ~string](byNumber []T) codes[T] {
	numbers := make(map[T]byte, len(byNumber))
	for n, code := range byNumber {
		if code != "" {
			numbers[code] = byte(n)
		}
	}
	return codes[T]{byNumber, numbers}
}

// code codes the number of a code. One that has none is malformed.
func (n codes[T]) code(c *wire.Coder, code *T) {
	stored := byte(0)
	if !c.Reading() {
		stored = n.numbers[*code]
	}
	c.Byte(&stored)
	if int(stored) >= len(n.byNumber) || n.byNumber[stored] == "" {
		c.Must(false)
	} else if c.Reading() {
		*code = n.byNumber[stored]
	}
}
