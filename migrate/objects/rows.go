package objects

import (
	"slices"

	"bmsync/bmapi"
)

// rowOf gives the address of the row that an address is wanted for, "" for none.
func (m *Maker) rowOf(address string) string {
	if m.RowOf == nil {
		return ""
	}
	return m.RowOf(address)
}

// otherRow says which address that counts under all names of the domain would
// take mail away from another row: the same left part is somebody else's there.
func (m *Maker) otherRow(r *realm, own string, emails ...bmapi.Email) *refusal {
	for _, e := range emails {
		for _, form := range r.forms(e) {
			if row := m.rowOf(form); row != "" && row != own {
				return because("give one of them another left part, or set policy.users.all_aliases: false in bmsync.yaml, and plan again",
					"with all_aliases %s is an address of both %s and %s", form, own, row)
			}
		}
	}
	return nil
}

// leading says that an entry which has the address of a row is another row's: of
// several, his who has the main address, else the first by name. So it does not
// matter which row comes first, or comes alone.
func (m *Maker) leading(r *realm, own string, emails []bmapi.Email) *refusal {
	lead := ""
	for _, e := range emails {
		row := m.rowOf(e.Address)
		if row == "" && e.AllAliases {
			row = m.firstRow(r.forms(e))
		}
		if row != "" && (lead == "" || e.IsDefault || row < lead) {
			lead = row
		}
		if row != "" && e.IsDefault {
			break
		}
	}
	if lead == "" || lead == own {
		return nil
	}
	return because("take one of the two rows out; if they are not the same people's, take the address away from the one in BlueMind",
		"%s and %s are the same mailbox in BlueMind", lead, own)
}

func (m *Maker) firstRow(forms []string) string {
	var rows []string
	for _, form := range forms {
		if row := m.rowOf(form); row != "" {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return ""
	}
	return slices.Min(rows)
}
