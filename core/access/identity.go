// Package access says who somebody is and what they may do: a machine, the plain
// programs on it, a person. Who somebody is stands in a certificate that the
// cluster's authority signed, and nowhere else; what they may do stands in the store.
package access

import (
	"fmt"
	"regexp"
	"strconv"

	"argosy/core/cluster"
)

// Kind is what sort of somebody holds a certificate. It is the certificate's
// organizational unit (X.520, OU).
type Kind string

const (
	Member Kind = "member" // a machine that runs the store
	Worker Kind = "worker" // a machine that does not
	Local  Kind = "local"  // plain programs on a machine, through its relay to the store
	Person Kind = "person"
)

// Identity is who holds a certificate.
type Identity struct {
	Kind Kind
	// Name is a machine's id, also for Local, or a person's name.
	Name string
	// Generation counts up when certificates of this name are revoked: those of a
	// lower one are refused. So no clock decides what is revoked.
	Generation uint64
}

// MaxNameBytes is X.520's limit of a common name, which Name is in a certificate.
const MaxNameBytes = 64

var personName = regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]*$`)

// Parse checks what a certificate says: its organizational unit, its common name
// and its subject's serial number. An empty generation is the first, 0.
func Parse(kind, name, generation string) (Identity, error) {
	who := Identity{Kind: Kind(kind), Name: name}
	if generation != "" {
		n, err := strconv.ParseUint(generation, 10, 64)
		if err != nil || strconv.FormatUint(n, 10) != generation {
			return Identity{}, fmt.Errorf("%q is no generation: expected a whole number", generation)
		}
		who.Generation = n
	}
	switch who.Kind {
	case Member, Worker, Local:
		if _, err := cluster.ParseMachineID(name); err != nil {
			return Identity{}, err
		}
	case Person:
		if err := CheckPersonName(name); err != nil {
			return Identity{}, err
		}
	default:
		return Identity{}, fmt.Errorf("%q is no kind of identity: expected member, worker, local or person", kind)
	}
	return who, nil
}

// CheckPersonName refuses what cannot be a person's name.
func CheckPersonName(name string) error {
	if len(name) > MaxNameBytes || !personName.MatchString(name) {
		return fmt.Errorf("%q is no person's name: expected 1 to %d of a-z, 0-9 and ._@-, beginning with a letter or digit", name, MaxNameBytes)
	}
	return nil
}

// IsMachine says that a machine itself holds the certificate, and so who serves.
func (i Identity) IsMachine() bool { return i.Kind == Member || i.Kind == Worker }

// Machine is the machine that it is of; empty for a person.
func (i Identity) Machine() cluster.MachineID {
	if i.Kind == Person {
		return ""
	}
	return cluster.MachineID(i.Name)
}

// String is for people: "worker 6c3a...", "person alice".
func (i Identity) String() string { return string(i.Kind) + " " + i.Name }

// By is how it is recorded that i did something: a person's name alone.
func (i Identity) By() string {
	if i.Kind == Person {
		return i.Name
	}
	return i.String()
}

// Subject is what is revoked together: a person, or a machine with all that runs
// on it. It is the key of a Revocation.
type Subject struct {
	Person  string            // either
	Machine cluster.MachineID // or
}

// Subject is whom a revocation of i names.
func (i Identity) Subject() Subject {
	if i.Kind == Person {
		return Subject{Person: i.Name}
	}
	return Subject{Machine: i.Machine()}
}

func (s Subject) String() string {
	if s.Machine != "" {
		return "machine/" + string(s.Machine)
	}
	return "person/" + s.Person
}

// ParseSubject reads what String wrote.
func ParseSubject(text string) (Subject, error) {
	const machine, person = "machine/", "person/"
	switch {
	case len(text) > len(machine) && text[:len(machine)] == machine:
		id, err := cluster.ParseMachineID(text[len(machine):])
		return Subject{Machine: id}, err
	case len(text) > len(person) && text[:len(person)] == person:
		return Subject{Person: text[len(person):]}, CheckPersonName(text[len(person):])
	default:
		return Subject{}, fmt.Errorf("%q is no subject: expected machine/ID or person/NAME", text)
	}
}
