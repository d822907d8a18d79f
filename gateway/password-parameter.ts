/**
 * A regular expression for the name of the parameter that is a password, without regard to case: each letter may stand percent-encoded, since names
 * are decoded before they are compared. What has it in its query is logged without the query, wherever and however often it stands there.
 */
export const PASSWORD_PARAMETER = [...'ldappassword']
  .map((letter) => {
    const [lower, upper] = [letter, letter.toUpperCase()].map((each) => each.charCodeAt(0).toString(16))
    return `(?:${letter}|%${upper}|%${lower})`
  })
  .join('')
