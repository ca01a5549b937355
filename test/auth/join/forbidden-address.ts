import t from 'tap'
import { isForbiddenAddress } from '../../../src/auth/join/forbidden-address.ts'

t.test('where nothing is ever asked', async (t) => {
  const forbidden = [
    '0.0.0.0',
    '169.254.169.254',
    '169.254.170.2',
    '100.100.100.200',
    '168.63.129.16',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::2',
    '::7f00:1',
    '::169.254.169.254',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '::ffff:6464:64c8',
    '::ffff:168.63.129.16',
    '0:0:0:0:0:ffff:169.254.170.2',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b::169.254.170.2',
    '64:FF9B::168.63.129.16',
    '64:ff9b:1::a9fe:a9fe',
    '64:ff9b:1:a9fe:0:a9fe::',
    '2002:a9fe:a9fe::1',
    '2002:808:808::',
    'fd00:ec2::254',
    'fd00:ec2::23',
    'fd20:ce::254',
    'fd20:00ce:0:0:0:0:0:0254',
    'fe80::1',
    'fe80::1%lo',
    'ff02::1',
  ]
  for (const address of forbidden) t.ok(isForbiddenAddress(address), address)
})

t.test('where issuers are', async (t) => {
  const allowed = [
    '127.0.0.1',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.0.1',
    '100.100.100.201',
    '168.63.129.17',
    '8.8.8.8',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '::1:0:0',
    '64:ff9b:2::1',
    '64:ff9b::192.0.2.7',
    '64:ff9b::8.8.8.8',
    '64:ff9b:0:1::1',
    '2001:db8::1',
    '2003::1',
    'fd00::1',
    'fd00:ec3::254',
    'fd20:ce::253',
    'localhost',
    '',
  ]
  for (const address of allowed) t.notOk(isForbiddenAddress(address), address)
})
