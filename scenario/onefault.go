package scenario

import (
	"reflect"

	"github.com/flatline-dev/flatline/chaos"
	"go.yaml.in/yaml/v3"
)

// ParseFault reads one fault in the words of a chaos section, as YAML or as JSON, which is YAML: for faults that are begun
// by hand. Unlike in a scenario, at may be left out, and the selector's group is taken as it comes. The error is a
// *[Problems] with every mistake.
func ParseFault(path string, src []byte) (chaos.Fault, error) {
	var w FileFault
	d := newDecoder(path, src)
	d.bad["at"] = true // what is wrong already is not missing
	root, bad := d.read(src)
	if bad != nil {
		return chaos.Fault{}, Problems{*bad}.err()
	}
	if root.Kind == yaml.DocumentNode {
		root = root.Content[0]
	}
	d.value(root, reflect.ValueOf(&w).Elem(), "", "")
	c := &checker{d}
	if d.bad[""] {
		return chaos.Fault{}, c.problems.err()
	}
	// Whether anything here can do it is the question of the one who begins it.
	f := c.fault("", &w, &Target{Serve: &Serve{}})
	return f, c.problems.err()
}

// FaultJSON writes the fault as an object that [ParseFault] reads back to an equal fault.
func FaultJSON(f chaos.Fault) ([]byte, error) {
	return marshal(encode(reflect.ValueOf(faultWritten(&f))))
}
