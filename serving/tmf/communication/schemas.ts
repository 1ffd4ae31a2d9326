/** TMF681's communicationMessage for the OpenAPI document. */
import { Type } from 'typebox';
import { MESSAGE_STATES } from './states.ts';

const open = { additionalProperties: true } as const;
const text = (description: string) => Type.Optional(Type.String({ description }));
const moment = (description: string) => Type.Optional(Type.String({ format: 'date-time', description }));

const RelatedParty = Type.Object(
  { id: Type.String(), href: text('of the party'), name: text('of the party'), role: text('of the party') },
  open,
);

const Receiver = Type.Object(
  {
    id: text("the operator's id of the customer"),
    name: text('of the receiver'),
    phoneNumber: text('in E.164; for SMS'),
    email: text('for e-mail'),
    appUserId: text('for push'),
    ip: text('of the receiver'),
    party: Type.Optional(RelatedParty),
  },
  open,
);

const Sender = Type.Object(
  {
    id: text('of the sender'),
    name: text('of the sender'),
    phoneNumber: text('of the sender'),
    email: text('of the sender'),
    party: Type.Optional(RelatedParty),
  },
  open,
);

const Characteristic = Type.Object({ name: Type.String(), value: Type.Unknown(), valueType: text('of the value') }, open);

const attributes = {
  content: Type.String({ description: 'the text; `$Name` is filled in by the characteristic of that name' }),
  messageType: Type.String({ description: 'SMS, Email, Mobile app push notification, or a channel of channels.yaml' }),
  receiver: Type.Array(Receiver, { minItems: 1 }),
  sender: Sender,
  subject: text('of an e-mail or push'),
  description: text('of the whole'),
  priority: text('a small number is a high priority'),
  logFlag: Type.Optional(Type.Boolean()),
  scheduledSendTime: moment('it is decided and sent then; at most 90 days ahead'),
  tryTimes: Type.Optional(Type.Integer()),
  characteristic: Type.Optional(
    Type.Array(Characteristic, { description: '`purpose` chooses the action of channels.yaml that it is sent as' }),
  ),
  attachment: Type.Optional(Type.Array(Type.Object({}, open))),
  '@type': text('CommunicationMessage'),
  '@baseType': text('of a sub-class'),
  '@schemaLocation': text('of a sub-class'),
};

export const CommunicationMessageCreate = Type.Object(attributes, open);

export const CommunicationMessageUpdate = Type.Partial(
  Type.Object({ ...attributes, state: Type.Literal('cancelled', { description: 'stops what has not left yet' }) }, open),
);

export const CommunicationMessage = Type.Object(
  {
    ...attributes,
    id: Type.String(),
    href: Type.String(),
    state: Type.Union(MESSAGE_STATES.map((state) => Type.Literal(state))),
    stateReason: text('why, as a code'),
    sendTime: moment('when it left'),
    sendTimeComplete: moment('when it had left for the last of its receivers'),
  },
  open,
);
