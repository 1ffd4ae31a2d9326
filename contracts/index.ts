/** The words that everyone shares. */
export * from './errors.ts';
export * from './time.ts';
export * from './hash.ts';
export * from './ids.ts';
export * from './avro.ts';
export * from './topics/topics.ts';
export * from './event/event.ts';
export * from './decision/decision.ts';
export * from './outcome/outcome.ts';
export * from './reward/reward.ts';
export * from './communication/communication.ts';
export * from './dead-letter/dead-letter.ts';
export * from './model/model.ts';
export * from './control/control.ts';
export * from './erasure/erasure.ts';
export * from './customer-view/customer-view.ts';
export * from './scoring/scoring.ts';
