// Words as the Penn Treebank tokenizer cuts them, without coco-caption's punctuation.
using Microsoft.ML.Transfusion.Evaluation;

namespace Microsoft.ML.Transfusion.Tests.Evaluation;

public class CaptionTokenizerTests
{
    [Theory]
    [InlineData("A man, riding a horse.", "a man riding a horse")]
    [InlineData("  Two   dogs\tand\na cat  ", "two dogs and a cat")]
    [InlineData("A dog's ball; the dogs' house", "a dog 's ball the dogs house")]
    [InlineData("It's what they’ve said they don't and can't do", "it 's what they 've said they do n't and ca n't do")]
    [InlineData("cannot gonna wanna gotta lemme", "can not gon na wan na got ta lem me")]
    [InlineData("A black-and-white photo of a t-shirt - really -- nice", "a black-and-white photo of a t-shirt really nice")]
    [InlineData("\"Stop\" sign, 'no' and ‘yes’ and “so”...", "stop sign no and yes and so")]
    [InlineData("a sign (red) [big] {wide}", "a sign -lrb- red -rrb- -lsb- big -rsb- -lcb- wide -rcb-")]
    [InlineData("1,000 people at 3.5 miles at 12:30.", "1,000 people at 3.5 miles at 12:30")]
    [InlineData("Mr. Smith of the U.S. at 5 p.m. on Elm St. today", "mr. smith of the u.s. at 5 p.m. on elm st. today")]
    [InlineData("$5 & 10% of a and/or b", @"$ 5 & 10 % of a and\/or b")]
    [InlineData("Wow!! Really? Yes!", "wow !! really yes")]
    [InlineData("naïve café 2nd 1950s o'clock", "naïve café 2nd 1950s o'clock")]
    [InlineData("see http://example.com/a?b=c, me@example.com.", "see http://example.com/a?b=c me@example.com")]
    [InlineData("a cat 🙂 sits — or not", "a cat sits or not")]
    [InlineData("½ cup", @"1\/2 cup")]
    [InlineData("", "")]
    [InlineData(". , !", "")]
    public void Split_gives_lower_case_words_without_punctuation(string caption, string words) =>
        Assert.Equal(words, string.Join(' ', CaptionTokenizer.Split(caption)));

    [Theory]
    [InlineData("It's Mr. O'Neil's \"dog\" (big), isn't it?! 'Tis 1/2 * of http://a.b/c... the U.S. {x} cannot -5 dogs' '90s rock 'n' roll")]
    [InlineData("two-thirds, 3.14159; a/b & c: [d] £5 it’ll — they’d 'em")]
    public void Split_of_its_own_words_changes_nothing(string caption)
    {
        string[] words = CaptionTokenizer.Split(caption);
        Assert.Equal(words, CaptionTokenizer.Split(string.Join(' ', words)));
    }
}
