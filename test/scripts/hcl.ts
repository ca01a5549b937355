import t from 'tap'
import { plainString, readHcl } from '../../scripts/generate/hcl.ts'

t.test('blocks, labels and expressions are read as they stand', async (t) => {
  const [variable, resource, ...rest] = readHcl(
    `# comment with a brace {
variable "existing" {
  type = object({ # why
    vpc_id = string
  })
  description = "say \\"yes\\" }"
  default     = null
  /* a
     = comment */
  validation {
    condition     = var.a == null || "\${join("}", ["{"])}" == "}"
    error_message = <<-EOT
      } not the end
    EOT
  }
}
resource "aws_x" "y" {
  attribute { name = "one" }
  tags = {
    a = "b"
  }
}
`,
    'x.tf',
  )
  t.equal(rest.length, 0)
  t.same([variable?.kind, variable?.labels], ['variable', ['existing']])
  t.match(variable?.attributes.get('type'), /^object\(\{[\s\S]*vpc_id = string[\s\S]*\}\)$/)
  t.equal(plainString(variable?.attributes.get('description')), 'say "yes" }')
  t.equal(variable?.attributes.get('default'), 'null')
  t.equal(variable?.blocks.length, 1)
  t.equal(
    variable?.blocks[0]?.attributes.get('condition'),
    `var.a == null || "\${join("}", ["{"])}" == "}"`,
    'a brace in a string in a string ends nothing',
  )
  t.match(variable?.blocks[0]?.attributes.get('error_message'), /} not the end/)
  t.same(resource?.labels, ['aws_x', 'y'])
  t.equal(resource?.blocks[0]?.attributes.get('name'), '"one"')
  t.ok(resource?.attributes.has('tags'))
})

t.test('what it does not know, it refuses, and says where', async (t) => {
  const refused: [string, RegExp][] = [
    ['variable "a" {', /x\.tf:1: } is missing/],
    ['variable "a" {\n  type = \n}', /x\.tf:2: an expression is missing/],
    ['variable "a" {\n  type = "x\n}', /x\.tf:2: string without its end/],
    ['variable "a" {\n  type = (string\n', /\) is missing/],
    ['variable "a" {\n  type = a\n  type = b\n}', /x\.tf:3: type is there twice/],
    ['variable "a" [', /neither = nor \{/],
    ['}', /where a name should be/],
    ['a = 1', /outside of any block/],
    ['variable "a" {\n  b = <<EOT\n', /text without its end EOT/],
  ]
  for (const [text, why] of refused) t.throws(() => readHcl(text, 'x.tf'), { message: why }, text)
})

t.test('only a plain string is a plain string', async (t) => {
  for (const expression of [undefined, 'a', '"$' + '{a}"', '"a" + "b"', '"a\\n"', '<<EOT\nEOT'])
    t.equal(plainString(expression), undefined, `${expression}`)
  t.equal(plainString('"$5 \\\\ 10%"'), '$5 \\ 10%')
})
