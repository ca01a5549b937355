/**
 * What the emulator lacks of IPv6: it accepts the parameters of the EC2 API and forgets them. A dual-stack balancer needs
 * the rest, so the proxy in front of it remembers them and puts them into the answers, as EC2 words them.
 */
export interface Ipv6 {
  /** The answer to a call that must not reach the emulator; absent: it may. */
  answer(call: URLSearchParams): string | undefined
  /** The emulator's answer, completed. */
  complete(call: URLSearchParams, xml: string): string
  /** How many answers were completed: none means that this file is no longer needed. */
  completed(): number
}

const association = (id: string, block: string, more = '') =>
  `<ipv6CidrBlockAssociationSet><item><associationId>${id}</associationId><ipv6CidrBlock>${block}</ipv6CidrBlock>` +
  `<ipv6CidrBlockState><state>associated</state></ipv6CidrBlockState>${more}</item></ipv6CidrBlockAssociationSet>`

const vpcAssociation = (id: string, block: string) =>
  association(`vpc-cidr-assoc-${id.slice(4)}`, block, '<ipv6Pool>Amazon</ipv6Pool>')
const subnetAssociation = (id: string, block: string) => association(`subnet-cidr-assoc-${id.slice(7)}`, block)

const response = (action: string, content: string) =>
  `<?xml version="1.0" encoding="UTF-8"?><${action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">` +
  `<requestId>ipv6</requestId>${content}</${action}Response>`

export const makeIpv6 = (): Ipv6 => {
  /** VPC → its block, subnet → its block, route table → its routes by destination. */
  const vpcs = new Map<string, string>()
  const subnets = new Map<string, string>()
  const routes = new Map<string, Map<string, string>>()
  let completed = 0

  const insertAfter = (xml: string, element: string, id: string, added: string): string => {
    const text = `<${element}>${id}</${element}>`
    if (!xml.includes(text)) return xml
    completed += 1
    return xml.replaceAll(text, `${text}${added}`)
  }
  const forgotten = (xml: string) =>
    xml.replace(
      /<ipv6CidrBlockAssociationSet\s*\/>|<ipv6CidrBlockAssociationSet>\s*<\/ipv6CidrBlockAssociationSet>/g,
      '',
    )

  return {
    completed: () => completed,
    answer: (call) => {
      const action = call.get('Action') ?? ''
      // Terraform waits for a block that it has just asked for, by the id of the association: no filter of the emulator's.
      if (call.get('Filter.1.Name') === 'ipv6-cidr-block-association.association-id') {
        const wanted = call.get('Filter.1.Value.1') ?? ''
        const [element, blocks, idOf] =
          action === 'DescribeVpcs'
            ? (['vpc', vpcs, vpcAssociation] as const)
            : (['subnet', subnets, subnetAssociation] as const)
        const items = [...blocks]
          .filter(([id, block]) => idOf(id, block).includes(wanted))
          .map(
            ([id, block]) =>
              `<item><${element}Id>${id}</${element}Id><state>available</state>${idOf(id, block)}</item>`,
          )
        return response(action, `<${element}Set>${items.join('')}</${element}Set>`)
      }
      const destination = call.get('DestinationIpv6CidrBlock')
      if (destination === null || !/^(Create|Delete|Replace)Route$/.test(action)) return undefined
      const table = call.get('RouteTableId') ?? ''
      const of = routes.get(table) ?? new Map<string, string>()
      routes.set(table, of)
      const [target, id] = [...call].find(([name]) => /^(Egress\w+|Nat)?Gateway(Id)?$|GatewayId$/.test(name)) ?? []
      if (action === 'DeleteRoute') of.delete(destination)
      else if (target !== undefined)
        of.set(
          destination,
          `<${target[0]?.toLowerCase()}${target.slice(1)}>${id}</${target[0]?.toLowerCase()}${target.slice(1)}>`,
        )
      return response(action, '<return>true</return>')
    },
    complete: (call, xml) => {
      const action = call.get('Action') ?? ''
      if (action === 'CreateVpc' && call.get('AmazonProvidedIpv6CidrBlock') === 'true') {
        const id = xml.match(/<vpcId>(.*?)<\/vpcId>/)?.[1]
        if (id !== undefined) vpcs.set(id, `2600:1f00:0:${(vpcs.size + 1).toString(16)}00::/56`)
      }
      const block = call.get('Ipv6CidrBlock')
      if (action === 'CreateSubnet' && block !== null) {
        const id = xml.match(/<subnetId>(.*?)<\/subnetId>/)?.[1]
        if (id !== undefined) subnets.set(id, block)
      }
      let text = xml
      if (/^(Create|Describe)Vpcs?$/.test(action)) {
        text = forgotten(text)
        for (const [id, of] of vpcs) text = insertAfter(text, 'vpcId', id, vpcAssociation(id, of))
      }
      if (/^(Create|Describe)Subnets?$/.test(action)) {
        text = forgotten(text)
        for (const [id, of] of subnets) text = insertAfter(text, 'subnetId', id, subnetAssociation(id, of))
      }
      if (action === 'DescribeRouteTables')
        for (const [table, of] of routes) {
          const added = [...of]
            .map(
              ([to, by]) =>
                `<item><destinationIpv6CidrBlock>${to}</destinationIpv6CidrBlock>${by}<state>active</state><origin>CreateRoute</origin></item>`,
            )
            .join('')
          // The route set of this table: between its id and the next table's.
          const start = text.indexOf(`<routeTableId>${table}</routeTableId>`)
          const set = text.indexOf('<routeSet>', start)
          if (start < 0 || set < 0 || added === '') continue
          completed += 1
          text = `${text.slice(0, set + '<routeSet>'.length)}${added}${text.slice(set + '<routeSet>'.length)}`
        }
      return text
    },
  }
}
