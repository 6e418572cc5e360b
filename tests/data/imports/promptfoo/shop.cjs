// A chatbot that needs no key: it answers from the table, in the state that SHOP names.
const answers = require("../answers.json")[process.env.SHOP];

module.exports = class Shop {
  constructor(options) {
    this.config = options.config || {};
  }

  id() {
    return `shop:${this.config.shouts ? "loud" : "plain"}`;
  }

  async callApi(prompt, context) {
    const topic = context.vars.topic;
    if (!(topic in answers)) return { error: `503 no answer about ${topic}` };
    const output = this.config.shouts ? answers[topic].toUpperCase() : answers[topic];
    return { output, cost: 0.0001, tokenUsage: { total: 12, prompt: 5, completion: 7 } };
  }
};
