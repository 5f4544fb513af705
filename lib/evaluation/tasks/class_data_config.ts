import { z } from 'zod'
import { filePath } from '../../config/paths.js'
import { idxLayout, paddingSchema } from '../../datasets/data_config.js'
import { findFashionMnist, openMnist } from '../../datasets/fashion_mnist.js'
import { type ImagePreprocessing, imagePreprocessingSchema } from '../../image/image_preprocessing.js'
import { fillTemplate, IdxDataset } from '../../data/sources/idx/idx_dataset.js'
import type { ImageDataset } from '../../data/sources/image_dataset.js'
import { ImageFolder } from '../../data/sources/folder/image_folder.js'
import type { GenerativeModel } from '../../generation/model.js'
import { generatedSize } from '../generated_size.js'
import type { ClassData } from '../classes/class_data.js'
import { requireImagePreprocessing } from '../../sequence/image_model.js'

/** Images and their classes, in MNIST's format. */
const split = z.strictObject({
  /** IDX file of the images. */
  images: filePath,
  /** IDX file with the class of each image. */
  labels: filePath,
})

/** Images in classes, by name or as files, for configs. */
export const classDataSchema = z.discriminatedUnion('type', [
  /** The demo's data. */
  z.strictObject({
    type: z.literal('fashion-mnist'),
    /** As the model's training data had it. */
    padding: paddingSchema,
  }),
  /** Any data set in MNIST's format. */
  z.strictObject({
    type: z.literal('idx'),
    /** What the classifier is trained on. */
    training: split,
    /** Held out: what the model is evaluated on. */
    test: split,
    /** What stands for each class in captions, from class 0. */
    classNames: z.array(z.string()).min(1),
    /** As the model's training data had it. */
    padding: paddingSchema,
    ...idxLayout,
  }),
  /** Image files, in a folder for each class that is named as the class is. */
  z.strictObject({
    type: z.literal('folders'),
    /** What the classifier is trained on. */
    training: filePath,
    /** Held out: what the model is evaluated on. */
    test: filePath,
  }),
])

/** A data set in classes, and what it is called. */
export interface NamedClasses extends ClassData {
  readonly training: ClassData['training'] & ImageDataset
  readonly name: string
  /** What its test images are called. */
  readonly testName: string
}

/** How image files become what a model generates, which may read other sizes too. */
export function generatedPreprocessing(model: GenerativeModel): ImagePreprocessing {
  const { height, width } = generatedSize('classes', model)
  return { ...requireImagePreprocessing(model, 'classes'), height, width }
}

/**
 * The splits of a data set with the caption of each class: a template, see `fillTemplate`. `preprocessing`: of image files,
 * where the data is such.
 */
export async function openClasses(
  data: z.input<typeof classDataSchema>,
  caption: string,
  preprocessing?: ImagePreprocessing,
): Promise<NamedClasses> {
  const captionsOf = (classNames: readonly string[]) =>
    classNames.map((label) => fillTemplate(caption, label))
  if (data.type === 'fashion-mnist') {
    const files = await findFashionMnist().catch((error: Error) => {
      if (preprocessing === undefined) throw error
      throw new Error(`${error.message}\nFor pictures of your own give a config: docs/evaluation.md`, {
        cause: error,
      })
    })
    const [training, test] = await Promise.all([
      openMnist(files, 'train', [caption], data.padding),
      openMnist(files, 'test', [caption], data.padding),
    ])
    const { name, classNames } = files
    return { name, testName: `${name}, test images`, training, test, captions: captionsOf(classNames) }
  }
  if (data.type === 'folders') {
    const ofFiles = preprocessing ?? imagePreprocessingSchema.parse({})
    const training = await ImageFolder.open(data.training, { preprocessing: ofFiles, caption })
    const { classNames } = training
    const test = await ImageFolder.open(data.test, { preprocessing: ofFiles, caption, classNames })
    return { name: data.test, testName: data.test, training, test, captions: captionsOf(classNames) }
  }
  const { classNames, padding, firstLabel, transpose } = data
  const open = ({ images, labels }: typeof data.test) =>
    IdxDataset.open({
      imagesPath: images,
      labelsPath: labels,
      classNames,
      templates: [caption],
      padding,
      firstLabel,
      transpose,
    })
  const [training, test] = await Promise.all([open(data.training), open(data.test)])
  const name = data.test.images
  return { name, testName: name, training, test, captions: captionsOf(classNames) }
}
