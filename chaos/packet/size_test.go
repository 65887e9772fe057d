//go:build !heavy

package packet

// exchanges is how many clients exchange sequenced messages at once.
const exchanges = 200
