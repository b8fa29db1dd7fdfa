package tokens

import "github.com/gatehouse-go/gatehouse/internal/engine"

func init() {
	engine.DecodeToken = func(id, account string, data []byte) (any, error) {
		t, err := decode(id, account, data)
		return &t, err
	}
	engine.DescribeToken = func(id, account string, data []byte) (engine.StoredToken, error) {
		t, err := decode(id, account, data)
		if err != nil {
			return engine.StoredToken{}, err
		}
		return t.stored(), nil
	}
}

// stored returns all of a token but the digests of its secrets.
func (t record) stored() engine.StoredToken {
	s := engine.StoredToken{
		ID: t.ID, Account: t.Account, Kind: string(t.Kind), Name: t.Name, Resources: t.Resources, Networks: t.Networks, Rotations: t.Generation, Lines: len(t.Lines),
		Created: t.Created, NotBefore: t.NotBefore, Expires: t.Expires, Revoked: t.Revoked, Lifetime: t.Lifetime, Warned: t.Warned, Epoch: t.Epoch, Birth: t.birth(),
		Proof: t.How, ProofMethod: t.AMR, ProofAt: t.ProofAt, Vouched: t.Vouched,
		Operator: t.Operator, NeedsFactor: t.NeedsFactor, RotatesItself: t.RotatesItself, Ancestry: t.Ancestry,
	}
	for _, scope := range t.Scopes {
		s.Scopes = append(s.Scopes, string(scope))
	}
	for _, old := range t.Old {
		s.Grace = append(s.Grace, engine.StoredCopy{Until: old.Until, Told: old.Told})
	}
	return s
}
